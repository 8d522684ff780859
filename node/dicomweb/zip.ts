import { ZipWriter } from '@zip.js/zip.js'

export type ZipFile = { name: string; receivedAt: number; read(): AsyncIterable<Uint8Array> }

/**
 * Files as one ZIP archive (PS3.18 §8.7.3.3.3), stored without compression and written while it is read: no more of it
 * is in memory than a chunk.
 */
export async function* zipOf(files: readonly ZipFile[]): AsyncGenerator<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const zip = new ZipWriter(writable, {
    level: 0,
    useWebWorkers: false,
    useCompressionStream: false,
  })
  const written = (async () => {
    for (const { name, receivedAt, read } of files) {
      const content = ReadableStream.from<Uint8Array>(read())
      await zip.add(name, content, { lastModDate: new Date(receivedAt) })
    }
    await zip.close()
  })()
  // A source that fails ends the stream that is being read.
  written.catch((error: unknown) => writable.abort(error).catch(() => {}))
  yield* readable
  await written
}

/** Names by place, `S001/I00001.dcm`: what a data set says of itself never becomes a path. */
export function zipNames(series: readonly string[]): string[] {
  const order = [...new Set(series)]
  const counts = new Map<string, number>()
  return series.map((one) => {
    const count = (counts.get(one) ?? 0) + 1
    counts.set(one, count)
    const folder = String(order.indexOf(one) + 1).padStart(3, '0')
    return `S${folder}/I${String(count).padStart(5, '0')}.dcm`
  })
}
