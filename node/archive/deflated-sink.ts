import { createGivingWay, deflatedPieces } from '../dicom/inflate-turns.ts'
import type { IngestSink } from './archive.ts'

/**
 * A deflated data set grows a thousandfold while it is walked. It is handed on piece by piece, and whoever sends it
 * waits until its last chunk has been walked, so that no more of it is held than that.
 */
export function createDeflatedSink(sink: IngestSink): IngestSink {
  const giveWay = createGivingWay()
  let waiting: Uint8Array[] = []
  let last = Promise.resolve()

  async function handOn(): Promise<void> {
    for (let chunk = waiting.shift(); chunk !== undefined; chunk = waiting.shift()) {
      for (const piece of deflatedPieces(chunk)) {
        await giveWay()
        if (!sink.write(piece)) await sink.drain()
      }
    }
  }
  const drain = () => (last = last.then(handOn))

  return {
    write(chunk) {
      // A copy: the caller may use its buffer again.
      waiting.push(Uint8Array.from(chunk))
      return false
    },
    drain,
    async finish() {
      await drain()
      return await sink.finish()
    },
    abort() {
      waiting = []
      return sink.abort()
    },
  }
}
