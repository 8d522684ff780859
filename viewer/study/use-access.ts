import { useEffect, useState } from 'preact/hooks'
import { type Closed, readAccess } from '../api/reading.ts'
import { isAborted } from '../api/http.ts'
import { useApp } from '../parts/app-context.ts'

/** Well within the 60 s in which an ended access must end here too. */
const everyMs = 10_000
/** Each refusal is a denial in the audit: what was never open is asked for seldom. */
const refusedMs = 60_000

/** Watches whether the study on the screen may still be read. It opens by itself when it may again. */
export function useAccess(study: string): { closed: Closed; since: number } | undefined {
  const { failed } = useApp()
  const [state, setState] = useState<{ closed: Closed; since: number } | undefined>(undefined)
  useEffect(() => {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = async () => {
      let nextMs = everyMs
      try {
        const access = await readAccess(study, abort.signal)
        if (abort.signal.aborted) return
        if (access === 'open') setState(undefined)
        else if (access === 'refused') nextMs = refusedMs
        else if (access !== 'unknown') {
          setState((was) => ({ closed: access, since: was?.since ?? Date.now() }))
        }
      } catch (error) {
        if (abort.signal.aborted || isAborted(error)) return
        failed(error)
      }
      timer = setTimeout(() => void ask(), nextMs)
    }
    void ask()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }, [study])
  return state
}
