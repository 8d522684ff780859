import type { Client } from '../client.ts'
import { eventually } from '../client.ts'
import { valueOf, type Row, type SentStudy } from './scenario.ts'

/** As the viewer does (`viewer/study/use-access.ts`). */
const asksEveryMs = 10_000
const framesEveryMs = 250

export type OpenPage = AsyncDisposable & {
  /** Seconds from `since` until the page was told, and until frames were refused. */
  closes(since: number, limitMs: number): Promise<{ told: number; refused: number }>
  opens(since: number, limitMs: number): Promise<number>
}

type Seen = { isOpen: boolean; at: number }

/**
 * A page that shows a study and is not touched: it asks its node every ten seconds whether it may stay open, while whoever
 * sits before it goes through the slices, all of which have come by now.
 */
export async function openPage(client: Client, study: SentStudy): Promise<OpenPage> {
  const [row] = await client.json<Row[]>(`/dicom-web/studies/${study.uid}/instances?limit=1`)
  const [series, sop] = [valueOf(row, '0020000E'), valueOf(row, '00080018')]
  const frame = `/dicom-web/studies/${study.uid}/series/${series}/instances/${sop}/frames/1`
  const stop = new AbortController()
  const told: Seen = { isOpen: true, at: 0 }
  const read: Seen = { isOpen: true, at: 0 }
  const note = (seen: Seen, isOpen: boolean): void => {
    if (seen.isOpen !== isOpen) Object.assign(seen, { isOpen, at: performance.now() })
  }
  const again = async (everyMs: number, step: () => Promise<void>): Promise<void> => {
    while (!stop.signal.aborted) {
      // A node that does not answer closes nothing, as in the viewer.
      await step().catch(() => undefined)
      await pause(everyMs, stop.signal)
    }
  }
  const ask = async (): Promise<void> => {
    const answer = await client.get(`/api/studies/${study.uid}/access`)
    if (answer.status !== 200) return note(told, ![401, 403].includes(answer.status) && told.isOpen)
    note(told, ((await answer.json()) as { open: boolean }).open)
  }
  const look = async (): Promise<void> => {
    const { status } = await client.get(frame)
    if ([200, 401, 403].includes(status)) note(read, status === 200)
  }
  const running = [again(asksEveryMs, ask), again(framesEveryMs, look)]
  const seconds = (since: number, seen: Seen): number => Math.max(0, seen.at - since) / 1000
  return {
    async closes(since, limitMs) {
      const isClosed = async () => (!told.isOpen && !read.isOpen ? true : undefined)
      await eventually('the open page is closed', isClosed, limitMs)
      return { told: seconds(since, told), refused: seconds(since, read) }
    },
    async opens(since, limitMs) {
      const isOpen = async () => (told.isOpen && read.isOpen ? true : undefined)
      await eventually('the page is open again', isOpen, limitMs)
      return Math.max(seconds(since, told), seconds(since, read))
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await Promise.all(running)
    },
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
