import { ProtocolError } from '#protocol/errors.ts'

/** Waits for `work` no longer than `timeoutMs`; what it does later is its own affair. */
export async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new ProtocolError('timeout', 'waited too long')), timeoutMs)
    // What is waited for keeps the process alive, or nothing does.
    timer.unref()
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
