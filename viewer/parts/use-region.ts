import { useEffect } from 'preact/hooks'
import { ApiError } from '../api/http.ts'
import { loadRegion } from '../api/region.ts'
import { useApp } from './app-context.ts'

const everyMs = 15_000

/** Keeps the state of the region fresh while the page is visible. */
export function useRegion(): void {
  const state = useApp()
  useEffect(() => {
    const abort = new AbortController()
    const load = async () => {
      if (document.hidden) return
      try {
        state.region.value = await loadRegion(abort.signal)
      } catch (error) {
        if (!abort.signal.aborted && error instanceof ApiError) state.failed(error)
      }
    }
    void load()
    const timer = setInterval(() => void load(), everyMs)
    return () => {
      abort.abort()
      clearInterval(timer)
    }
  }, [])
}
