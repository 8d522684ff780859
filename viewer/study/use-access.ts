import { useEffect, useState } from 'preact/hooks'
import { type Closed, readAccess } from '../api/reading.ts'
import { isAborted } from '../api/http.ts'
import { useApp } from '../parts/app-context.ts'

/** Well within the 60 s in which an ended access must end here too. */
const everyMs = 10_000
/** Each refusal is a denial in the audit: what was never open is asked for seldom. */
const refusedMs = 60_000

type ClosedStudy = { study: string; closed: Closed; since: number }

/** Watches whether the study on the screen may still be read. It opens by itself when it may again. */
export function useAccess(study: string): ClosedStudy | undefined {
  const { failed } = useApp()
  const [last, setLast] = useState<ClosedStudy | undefined>(undefined)
  // What was said of another study says nothing of this one.
  const closedOf = (one: typeof last) => (one?.study === study ? one : undefined)
  useEffect(() => {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = async () => {
      let nextMs = everyMs
      try {
        const access = await readAccess(study, abort.signal)
        if (abort.signal.aborted) return
        if (access === 'open') setLast(undefined)
        else if (access === 'refused') nextMs = refusedMs
        else if (access !== 'unknown') {
          setLast((was) => ({ study, closed: access, since: closedOf(was)?.since ?? Date.now() }))
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
  return closedOf(last)
}
