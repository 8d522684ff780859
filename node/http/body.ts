import type { IncomingMessage } from 'node:http'
import { ProtocolError, WrongRequest } from '#protocol/errors.ts'
import { httpLimits } from '#protocol/limits.ts'

/** Reads a JSON body of bounded size in bounded time. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  // A form of another site's page can send only other types without asking first.
  if (type !== 'application/json') throw new ProtocolError('unsupported', 'the body must be JSON')
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new ProtocolError('unsupported', 'the body must not be compressed')
  }
  const text = (await readBytes(request)).toString('utf8')
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new WrongRequest('the body is not JSON', { cause })
  }
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = () => new ProtocolError('too_large', 'the body is too large')
  if (Number(request.headers['content-length'] ?? 0) > httpLimits.jsonBytes) throw tooLarge()
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let size = 0
  const onData = (chunk: Buffer) => {
    size += chunk.byteLength
    if (size > httpLimits.jsonBytes) reject(tooLarge())
    else chunks.push(chunk)
  }
  const onEnd = () => resolve(Buffer.concat(chunks))
  const onGone = () => reject(new ProtocolError('aborted', 'the body was cut off'))
  const timer = setTimeout(
    () => reject(new ProtocolError('timeout', 'the body came too slowly')),
    httpLimits.requestTimeoutMs,
  )
  request.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    request.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone)
    // The answer closes the connection; the rest is not read.
    if (!request.complete) request.pause()
  }
}
