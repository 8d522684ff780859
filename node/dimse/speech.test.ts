import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createSpeech } from './speech.ts'

/** What was said, fragment by fragment. */
function record() {
  const sent: Buffer[] = []
  const send = (...bytes: Uint8Array[]) => void sent.push(...bytes.map((one) => Buffer.from(one)))
  const link = {
    send,
    sendThen(pieces: Uint8Array[], then: () => void) {
      send(...pieces)
      then()
    },
    drained: () => undefined,
    isClosing: false,
  }
  const fragments = () => {
    const all = Buffer.concat(sent)
    const found: { isLast: boolean; data: Buffer }[] = []
    for (let at = 0; at < all.length; at += 6 + all.readUInt32BE(at + 2)) {
      const flags = all.readUInt8(at + 11)
      const end = at + 6 + all.readUInt32BE(at + 2)
      if (flags % 2 === 0) found.push({ isLast: flags === 2, data: all.subarray(at + 12, end) })
    }
    return found
  }
  return { link, fragments, bytes: () => Buffer.concat(sent), writes: () => sent.length }
}

test('fragments are even however odd the parts are, and hold the same bytes', async () => {
  for (const lengths of [
    [27, 1],
    [1, 1, 1, 5],
    [3, 4, 5],
    [7001, 4999],
    [2, 1, 0, 1],
    [1, 4],
  ]) {
    const { link, fragments } = record()
    const speech = createSpeech({ link, pduBytes: 4096, limits: { responseTimeoutMs: 1000 } })
    const bytes = lengths.reduce((sum, one) => sum + one, 0)
    const whole = Buffer.from(Array.from({ length: bytes }, (_, at) => at % 251))
    const parts = (async function* () {
      let at = 0
      for (const length of lengths) {
        yield whole.subarray(at, at + length)
        at += length
      }
    })()
    await speech.say(1, Buffer.alloc(4), { bytes, parts })
    const said = fragments()
    assert.deepEqual(Buffer.concat(said.map(({ data }) => data)), whole)
    const odd = said.filter(({ data, isLast }) => data.length % 2 === 1 && !isLast)
    assert.deepEqual(odd, [])
    assert.deepEqual(
      said.map(({ isLast }) => isLast),
      said.map((_, at) => at === said.length - 1),
    )
  }
})

test('messages that are said together are the same messages', async () => {
  const dataSets = [0, 2, 4090, 4092, 9000].map((length) =>
    Buffer.from(Array.from({ length }, (_, at) => at % 251)),
  )
  const limits = { responseTimeoutMs: 1000 }
  const [one, all] = [record(), record()]
  const speech = createSpeech({ link: one.link, pduBytes: 4096, limits })
  for (const data of dataSets) await speech.say(3, Buffer.alloc(4), data)
  const together = createSpeech({ link: all.link, pduBytes: 4096, limits })
  await together.sayAll(3, Buffer.alloc(4), dataSets)
  assert.deepEqual(all.bytes(), one.bytes())
  assert.equal(all.writes(), 1)
})
