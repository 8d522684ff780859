import { test } from 'node:test'
import assert from 'node:assert/strict'
import { setTimeout as after } from 'node:timers/promises'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import { publicJwk } from '#protocol/keys.ts'
import { checkManifestPages, verifyManifest } from '#protocol/manifest.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { ReaderFrame, ReaderStream } from '#protocol/transport/transport.ts'
import {
  createFixtureStudy,
  holderOid,
  instanceOf,
  newKey,
  startHolder,
  studyUid,
  until,
  coded,
} from './exchange.fixture.ts'
import type { HolderNode, HolderSide } from './exchange.fixture.ts'
import { parseMetadata } from './series-metadata.ts'

const KiB = 1024

/** A holder and a peer that talks to it frame by frame. */
async function startTalk(side: HolderSide) {
  const holder = await startHolder(side)
  const host = await createHost({
    key: newKey(),
    listen: [],
    isAllowed: () => true,
    handlers: {},
    clock: () => Date.now(),
  })
  const link = await host.connect(holder.host.peerId, holder.host.addresses())
  let requests = 0
  const assertion = (name = 'anna'): string => `${name} own ${(requests += 1)}`
  return {
    holder,
    link,
    assertion,
    open: (name?: string): Promise<ReaderStream> =>
      link.openFetch({ assertion: assertion(name), study: studyUid, priority: 'interactive' }),
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]()
      await holder[Symbol.asyncDispose]()
    },
  }
}

const wantOf = (want: number, rank: number, offset = 0) => ({
  want,
  sop: instanceOf(want, 1).sop,
  offset,
  rank,
})

/** Reads frames until as many wants have ended, granting what is taken. */
async function readUntil(stream: ReaderStream, ends: number): Promise<ReaderFrame[]> {
  const frames: ReaderFrame[] = []
  let ended = 0
  for await (const frame of stream.frames()) {
    frames.push(frame)
    if (frame.type === 'data') stream.credit(frame.bytes.byteLength)
    else ended += 1
    if (ended === ends) break
  }
  return frames
}

/** Wants of the data frames in order, repetitions left out. */
function orderOf(frames: readonly ReaderFrame[]): number[] {
  const wants = frames.flatMap((frame) => (frame.type === 'data' ? [frame.want] : []))
  return wants.filter((want, i) => want !== wants[i - 1])
}

const study = (count: number, length: number) =>
  createFixtureStudy(Array.from({ length: count }, (_, i) => instanceOf(i + 1, length)))

const finishedOnce = (holder: HolderNode): void => {
  const finished = holder.gate.finished.map((one) => one.assertion)
  assert.deepEqual(finished.toSorted(), [...new Set(finished)].toSorted(), 'finished once each')
}

test('a manifest is signed by the holder, and its pages list every instance', async () => {
  const own = study(2500, 100)
  await using talk = await startTalk({ study: own })
  const { link, assertion, holder } = talk
  const get = async () => {
    const { manifest } = await link.request('manifest.get', {
      assertion: assertion(),
      study: studyUid,
    })
    return await verifyManifest(manifest, { holder: holderOid, jwk: publicJwk(holder.key) })
  }
  const { claims } = await get()
  const pages = await Promise.all(
    claims.pages.map((page) =>
      link.request('manifest.page', { assertion: assertion(), study: studyUid, page }),
    ),
  )
  await checkManifestPages(claims, pages)
  assert.ok(claims.pages.length > 1)
  assert.equal(claims.count, 2500)
  assert.equal(claims.state, 'open')
  assert.deepEqual((await get()).claims, claims, 'the same content has the same version')
  own.instances.push(instanceOf(2501, 100))
  const grown = await get()
  assert.ok(grown.claims.version > claims.version)
  const [gone] = claims.pages.slice(-1)
  assert.ok(gone)
  await assert.rejects(
    link.request('manifest.page', { assertion: assertion(), study: studyUid, page: gone }),
    coded('not_found'),
  )
  await until('all is finished', () => holder.gate.finished.length === holder.gate.admitted.length)
  finishedOnce(holder)
  assert.equal(own.opened, own.closed)
})

test('requests that are not admitted are refused before the archive is touched', async () => {
  const own = study(1, 100)
  await using talk = await startTalk({ study: own })
  talk.holder.gate.refused.add('anna')
  const params = { assertion: talk.assertion(), study: studyUid }
  await assert.rejects(talk.link.request('manifest.get', params), coded('forbidden'))
  await assert.rejects(
    talk.link.request('chunks.get', { ...params, sop: instanceOf(1, 1).sop }),
    coded('forbidden'),
  )
  const stream = await talk.open()
  stream.want(wantOf(1, 0))
  await assert.rejects(readUntil(stream, 1), coded('forbidden'))
  assert.equal(own.opened, 0)
  await assert.rejects(
    talk.link.request('manifest.get', { ...params, study: 'not a uid' as StudyUid }),
    coded('bad_request'),
  )
})

test('the smallest rank goes first, and equals take turns', async () => {
  await using talk = await startTalk({ study: study(3, 200 * KiB) })
  const stream = await talk.open()
  for (const [want, rank] of [
    [1, 20],
    [2, 10],
    [3, 30],
  ] as const) {
    stream.want(wantOf(want, rank))
  }
  await after(30)
  stream.credit(128 * KiB)
  // The first slice was in hand before the others were known.
  assert.deepEqual(orderOf(await readUntil(stream, 3)), [1, 2, 1, 3])

  const fair = await talk.open()
  for (const want of [1, 2]) fair.want(wantOf(want, 5))
  await after(30)
  fair.credit(64 * KiB)
  const order = orderOf(await readUntil(fair, 2))
  assert.ok(order.length >= 6, order.join(' '))
})

test('a want may change its rank, be cancelled, begin anywhere and end early', async () => {
  const own = study(4, 300 * KiB)
  await using talk = await startTalk({ study: own })
  const stream = await talk.open()
  for (const want of [1, 2, 3]) stream.want(wantOf(want, 10 + want))
  stream.want(wantOf(3, 0))
  stream.cancel(2)
  stream.want({ ...wantOf(4, 100, 100_000), length: 1000 })
  await after(30)
  stream.credit(128 * KiB)
  const frames = await readUntil(stream, 3)
  // The first slice was in hand before the others were known.
  assert.deepEqual(
    orderOf(frames).filter((want, i) => i > 0 || want !== 1),
    [3, 1, 4],
  )
  const part = frames.flatMap((one) => (one.type === 'data' && one.want === 4 ? [one] : []))
  assert.deepEqual(
    part.map((one) => [one.offset, one.bytes.byteLength]),
    [[100_000, 1000]],
  )
  assert.ok(
    part.every((one) =>
      Buffer.from(one.bytes).equals(
        own.instances[3]?.bytes.subarray(100_000, 101_000) ?? Buffer.of(),
      ),
    ),
  )
})

test('what cannot be sent ends that want with its code, not the stream', async () => {
  const own = study(2, 100)
  await using talk = await startTalk({ study: own })
  const stream = await talk.open()
  stream.credit(1000)
  stream.want({ want: 1, sop: '9.9' as SopUid, offset: 0, rank: 0 })
  stream.want({ ...wantOf(2, 1), offset: 101 })
  stream.want({ want: 3, sop: instanceOf(1, 1).sop, offset: 100, rank: 2 })
  assert.deepEqual(await readUntil(stream, 3), [
    { type: 'error', error: { want: 1, code: 'not_found' } },
    { type: 'error', error: { want: 2, code: 'bad_request' } },
    { type: 'done', want: 3 },
  ])
})

test('metadata of a series comes as one brotli stream', async () => {
  const own = createFixtureStudy([instanceOf(1, 100), instanceOf(2, 100), instanceOf(1, 100, 2)])
  await using talk = await startTalk({ study: own })
  const stream = await talk.open()
  stream.credit(100 * KiB)
  stream.want({ want: 1, metadata: instanceOf(1, 1).series, rank: 0 })
  const frames = await readUntil(stream, 1)
  const packed = Buffer.concat(frames.flatMap((one) => (one.type === 'data' ? [one.bytes] : [])))
  const metadata = await parseMetadata(packed, 1024 * KiB)
  assert.deepEqual(
    metadata.instances.map((one) => one.sop),
    [instanceOf(1, 1).sop, instanceOf(2, 1).sop],
  )
  await assert.rejects(parseMetadata(packed, 100), coded('frame_malformed'))
})

test('a stream is cut within the recheck interval when the authority ends, also while it waits for credit', async () => {
  const own = study(1, 2000 * KiB)
  await using talk = await startTalk({ study: own, limits: { recheckIntervalMs: 100 } })
  const { gate } = talk.holder
  const stream = await talk.open()
  stream.want(wantOf(1, 0))
  stream.credit(64 * KiB)
  let received = 0
  const read = async (): Promise<void> => {
    for await (const frame of stream.frames()) {
      if (frame.type === 'data') received += frame.bytes.byteLength
    }
  }
  const reading = assert.rejects(read(), coded('forbidden'))
  await until('the first slice is here', () => received === 64 * KiB)
  gate.revoked.add('anna')
  const since = performance.now()
  await reading
  assert.ok(performance.now() - since < 1000)
  await until('it is finished', () => gate.finished.length === 1)
  assert.deepEqual(
    gate.finished.map(({ bytes, instances, outcome }) => ({ bytes, instances, outcome })),
    [{ bytes: 64 * KiB, instances: 1, outcome: 'failure' }],
  )
  await until('the archive is let go', () => own.closed === own.opened)
})

test('authority is asked for before each instance, so that the next one does not even begin', async () => {
  const own = study(2, 10)
  await using talk = await startTalk({ study: own, limits: { recheckIntervalMs: 60_000 } })
  const stream = await talk.open()
  stream.credit(1000)
  stream.want(wantOf(1, 0))
  for await (const frame of stream.frames()) if (frame.type === 'done') break
  const next = await talk.open()
  next.credit(1000)
  await after(30)
  talk.holder.gate.revoked.add('anna')
  next.want(wantOf(2, 0))
  await assert.rejects(readUntil(next, 1), coded('forbidden'))
  assert.ok(!own.reads.some((one) => one.sop === instanceOf(2, 1).sop))
})

test('a reader that has had enough ends its transfer as a success, with what was sent', async () => {
  const own = study(3, 100 * KiB)
  await using talk = await startTalk({ study: own })
  const { gate } = talk.holder
  const stream = await talk.open()
  stream.credit(1000 * KiB)
  for (const want of [1, 2]) stream.want(wantOf(want, want))
  let done = 0
  for await (const frame of stream.frames()) {
    if (frame.type === 'done') done += 1
    if (done === 2) await stream.close()
  }
  await until('it is finished', () => gate.finished.length === 1)
  assert.deepEqual(
    gate.finished.map(({ bytes, instances, outcome }) => ({ bytes, instances, outcome })),
    [{ bytes: 200 * KiB, instances: 2, outcome: 'success' }],
  )
  const cut = await talk.open()
  cut.credit(1000)
  cut.want(wantOf(3, 0))
  for await (const frame of cut.frames()) if (frame.type === 'data') break
  await until('the cut one too', () => gate.finished.length === 2)
  assert.equal(gate.finished[1]?.outcome, 'failure')
})
