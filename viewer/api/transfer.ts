import { requestJson } from './http.ts'

/** How far the copy of another organization's study has come on its way to this node. */
export type Transfer = {
  state: string
  instances: { done: number; total: number }
  bytes: { done: number; total: number }
}

export function transferFrom(value: unknown): Transfer | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { state, instances, bytes } = value as Record<string, unknown>
  const counted = countOf(instances)
  const weighed = countOf(bytes)
  if (typeof state !== 'string' || counted === undefined || weighed === undefined) return undefined
  return { state, instances: counted, bytes: weighed }
}

function countOf(value: unknown): { done: number; total: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { done, total } = value as Record<string, unknown>
  return typeof done === 'number' && typeof total === 'number' ? { done, total } : undefined
}

const pollMs = 5000

/**
 * Follows the transfer by server-sent events, and asks now and then where those do not come through. Ends with the
 * signal, or when the copy is complete.
 */
export function followTransfer(
  study: string,
  onProgress: (transfer: Transfer) => void,
  signal: AbortSignal,
): void {
  const path = `/api/studies/${study}/transfer`
  const events = new EventSource(path)
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false
  const stop = () => {
    isOver = true
    events.close()
    clearTimeout(timer)
  }
  const take = (value: unknown) => {
    const transfer = transferFrom(value)
    if (transfer === undefined || isOver) return
    onProgress(transfer)
    if (isComplete(transfer)) stop()
  }
  const poll = async () => {
    try {
      take(await requestJson(path, { signal }))
    } catch {
      // A node without this resource, or a link that is down: the images say the rest.
    }
    if (!isOver) timer = setTimeout(() => void poll(), pollMs)
  }
  const read = (event: MessageEvent<string>) => {
    try {
      take(JSON.parse(event.data))
    } catch {
      // A keep-alive line is not a message for us.
    }
  }
  events.addEventListener('message', read)
  events.addEventListener('progress', read as EventListener)
  events.addEventListener('error', () => {
    if (events.readyState !== EventSource.CLOSED || isOver) return
    void poll()
  })
  signal.addEventListener('abort', stop, { once: true })
}

export const isComplete = ({ state, instances }: Transfer): boolean =>
  state === 'complete' || (instances.total > 0 && instances.done >= instances.total)
