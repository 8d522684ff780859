import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { WireFrame } from '../api/frames.ts'
import { codecs } from './codecs.fixture.ts'
import { decodeFrame } from './decode.ts'
import { stackOfSlices } from './stack.fixture.ts'
import { createThumbnails } from './thumbnails.ts'

/** Thumbnails of one stack whose frame cannot be had at first. */
function setUp(isPermanent: boolean) {
  const node = { isBroken: true, asked: 0 }
  const stack = stackOfSlices(3)
  const thumbnails = createThumbnails({
    decoders: { decode: (job) => decodeFrame(job, codecs), [Symbol.dispose]: () => undefined },
    async fetchFrame(): Promise<WireFrame> {
      node.asked++
      if (node.isBroken) throw new Error('the link broke')
      const bytes = new Uint8Array(Uint16Array.of(1, 0, 0, 100).buffer)
      return { bytes, transferSyntax: '1.2.840.10008.1.2.1' }
    },
    isPermanent: () => isPermanent,
    signal: new AbortController().signal,
    sessionOf: () => undefined,
    mayFetch: () => true,
  })
  const draw = () => thumbnails.draw(() => [stack])
  const width = () => thumbnails.pictures.value.get(stack.key)?.width
  return { node, thumbnails, draw, width }
}

test('a picture that failed for a passing reason is drawn when it is tried again', async () => {
  const { node, thumbnails, draw, width } = setUp(false)
  await draw()
  assert.equal(width(), 0)
  node.isBroken = false
  await draw()
  assert.equal(node.asked, 1, 'not at every change of the study')
  thumbnails.retry('passing')
  await draw()
  assert.equal(width(), 2)
})

test('a picture that failed for good is asked for again only when the reader says so', async () => {
  const { node, thumbnails, draw, width } = setUp(true)
  await draw()
  node.isBroken = false
  thumbnails.retry('passing')
  await draw()
  assert.deepEqual([node.asked, width()], [1, 0])
  thumbnails.retry('all')
  await draw()
  assert.deepEqual([node.asked, width()], [2, 2])
})
