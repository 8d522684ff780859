import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Attributes } from '../api/dicom-json.ts'
import type { SeriesSummary } from '../api/studies.ts'
import { codecs } from './codecs.fixture.ts'
import { decodeFrame } from './decode.ts'
import { sliceAt } from './stack.fixture.ts'
import { createStudySession, readingOrder, type StudySessionDeps } from './study-session.ts'

const summary = (uid: string, instances: number, modality = 'CT'): SeriesSummary => ({
  uid,
  number: uid,
  modality,
  description: '',
  instances,
})

const slices = (series: string, count: number): Attributes[] =>
  Array.from({ length: count }, (_, index) =>
    sliceAt(index + 1, index, { '00080018': { Value: [`${series}.${index + 1}`] } }),
  )

/** A node with a scout of one image, a body of seven and a document, and the frames that were asked for. */
function setUp(changes: Partial<StudySessionDeps> = {}) {
  const frames: string[] = []
  const content = new Map<string, Attributes[]>([
    ['1', slices('1', 1)],
    ['2', slices('2', 7)],
    ['3', [{ '00080016': { Value: ['1.2.840.10008.5.1.4.1.1.88.33'] } }]],
  ])
  const session = createStudySession({
    decoders: {
      decode: (job) => decodeFrame(job, codecs),
      [Symbol.dispose]: () => undefined,
    },
    isPermanent: () => true,
    clock: () => performance.now(),
    later: () => () => undefined,
    memoryBytes: 1e6,
    loadSeries: () => Promise.resolve([summary('1', 1), summary('2', 7), summary('3', 1, 'SR')]),
    loadMetadata: (series) => Promise.resolve(content.get(series) ?? []),
    fetchFrame({ sop }) {
      frames.push(sop)
      const number = Number(sop.split('.').at(-1))
      const bytes = new Uint8Array(Uint16Array.of(number, 0, 0, 100).buffer)
      return Promise.resolve({ bytes, transferSyntax: '1.2.840.10008.1.2.1' })
    },
    ...changes,
  })
  return { session, frames }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !isSo(); turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(isSo(), 'it did not come about')
}

test('the first series with a body of images is read first, from its middle', async () => {
  const { session, frames } = setUp()
  await session.start()
  const reader = session.active.value
  assert.equal(reader?.session.stack.series, '2')
  assert.equal(reader?.slice.value, 3)
  assert.equal(frames[0], '2.4')
  session[Symbol.dispose]()
})

test('the other series follow when the one on the screen is complete, and all get a picture', async () => {
  const { session, frames } = setUp()
  await session.start()
  await until(() => session.open.value.size === 2 && session.thumbnails.value.size === 2)
  await until(() => frames.length >= 8)
  const own = frames.filter((sop) => sop.startsWith('2.'))
  assert.equal(new Set(own).size, 7)
  assert.equal(session.series.value[2]?.content?.others[0]?.kind, 'report')
  session[Symbol.dispose]()
})

test('samples land where their slices are', async () => {
  const { session } = setUp()
  await session.start()
  const reader = session.active.value
  assert.ok(reader !== undefined)
  await until(() => reader.session.loader.progress.loaded === 7)
  const { samples } = reader.session
  assert.deepEqual(
    Array.from({ length: 7 }, (_, index) => samples[index * 4]),
    [1, 2, 3, 4, 5, 6, 7],
  )
  session[Symbol.dispose]()
})

test('a series whose description fails can be tried again', async () => {
  let isBroken = true
  const { session } = setUp({
    loadMetadata: (series) =>
      isBroken ? Promise.reject(new Error('no')) : Promise.resolve(slices(series, 4)),
  })
  await session.start()
  assert.equal(
    session.series.value.every(({ failure }) => failure !== undefined),
    true,
  )
  assert.equal(session.active.value, undefined)
  isBroken = false
  session.retry('passing')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(session.active.value, undefined, 'a failure for good is not repeated by itself')
  session.retry()
  await until(() => session.active.value !== undefined)
  session[Symbol.dispose]()
})

test('a series is asked for once at a time, so that no late failure takes away what has come', async () => {
  const asked: { answer: (instances: Attributes[]) => void; fail: (e: Error) => void }[] = []
  const { session } = setUp({
    isPermanent: () => false,
    loadSeries: () => Promise.resolve([summary('2', 7)]),
    loadMetadata: () =>
      new Promise((answer, fail) => {
        asked.push({ answer, fail })
      }),
  })
  const started = session.start()
  await until(() => asked.length === 1)
  asked[0]?.fail(new Error('the link broke'))
  await started
  session.retry('passing')
  session.retry('passing')
  asked[1]?.answer(slices('2', 7))
  await until(() => session.active.value !== undefined)
  asked[2]?.fail(new Error('the link broke'))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(session.series.value[0]?.content?.stacks.length, 1)
  assert.equal(asked.length, 2)
  session[Symbol.dispose]()
})

test('a study that is opened again while it is being opened is asked for once', async () => {
  let asked = 0
  const { session } = setUp({
    loadSeries: async () => {
      asked++
      return [summary('2', 7)]
    },
  })
  await Promise.all([session.start(), session.start()])
  assert.equal(asked, 1)
  session[Symbol.dispose]()
})

test('a picture that the broken link has cost comes with the link', async () => {
  let isBroken = true
  const { session } = setUp({
    isPermanent: () => false,
    memoryBytes: 1,
    fetchFrame({ sop }) {
      if (isBroken && sop.startsWith('1.')) return Promise.reject(new Error('the link broke'))
      const bytes = new Uint8Array(Uint16Array.of(1, 0, 0, 100).buffer)
      return Promise.resolve({ bytes, transferSyntax: '1.2.840.10008.1.2.1' })
    },
  })
  const widthOf = (series: string) =>
    [...session.thumbnails.value].find(([key]) => key.startsWith(`${series}/`))?.[1].width
  await session.start()
  await until(() => widthOf('1') === 0 && widthOf('2') === 2)
  isBroken = false
  session.retry('passing')
  await until(() => widthOf('1') === 2)
  session[Symbol.dispose]()
})

test('a study of documents shows the first of them', async () => {
  const { session } = setUp({
    loadSeries: () => Promise.resolve([summary('3', 1, 'SR')]),
  })
  await session.start()
  assert.equal(session.other.value?.kind, 'report')
  session[Symbol.dispose]()
})

test('turning goes through the stacks and stops at the ends', async () => {
  const { session } = setUp()
  await session.start()
  const shown = () => session.active.value?.session.stack.series
  session.turn(1)
  assert.equal(shown(), '2')
  session.turn(-1)
  assert.equal(shown(), '1')
  session.turn(-1)
  assert.equal(shown(), '1')
  session[Symbol.dispose]()
})

test('what does not fit beside the others lets them go, never the one on the screen', async () => {
  const { session } = setUp({ memoryBytes: 7 * 8 })
  await session.start()
  assert.equal(session.open.value.size, 1)
  session.turn(-1)
  await until(() => session.open.value.size === 1)
  assert.equal(session.active.value?.session.stack.series, '1')
  session[Symbol.dispose]()
})

test('what the browser has no memory for takes no image off the screen before it is asked for', async () => {
  const vast = (instance: Attributes): Attributes => ({
    ...instance,
    '00280010': { Value: [65_535] },
    '00280011': { Value: [65_535] },
  })
  const { session } = setUp({
    memoryBytes: Number.POSITIVE_INFINITY,
    loadSeries: () => Promise.resolve([summary('2', 7), summary('4', 9)]),
    loadMetadata: (series) =>
      Promise.resolve(series === '2' ? slices('2', 7) : slices('4', 3000).map(vast)),
  })
  await session.start()
  await until(() => session.active.value?.session.loader.progress.loaded === 7)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(session.outOfMemory.value, false)
  session.turn(1)
  assert.equal(session.outOfMemory.value, true)
  session[Symbol.dispose]()
})

test('leaving frees the memory', async () => {
  const { session } = setUp()
  await session.start()
  const samples = session.active.value?.session.samples
  assert.ok(samples !== undefined && samples.length > 0)
  session[Symbol.dispose]()
  assert.equal(samples.length, 0)
  assert.equal(session.active.value, undefined)
})

test('scouts and documents come after the body of images', () => {
  const order = (...series: SeriesSummary[]) => readingOrder(series).map(({ uid }) => uid)
  assert.deepEqual(order(summary('1', 1), summary('2', 50), summary('3', 90)), ['2', '1', '3'])
  assert.deepEqual(order(summary('1', 9, 'SR'), summary('2', 1)), ['2', '1'])
  assert.deepEqual(order(summary('1', 1, 'SR')), ['1'])
  assert.deepEqual(order(), [])
})
