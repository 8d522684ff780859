import type { Stream } from '@libp2p/interface'

/** Waits; does not keep the process alive by itself. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}

/** Resolves when the stream has ended, or after `ms`: time for the other side to read why, and to end it itself. */
export async function endOf(stream: Stream, ms: number): Promise<void> {
  if (stream.status !== 'open') return
  const ended = new Promise<void>((resolve) => {
    stream.addEventListener('close', () => resolve(), { once: true })
  })
  await Promise.race([ended, pause(ms)])
}
