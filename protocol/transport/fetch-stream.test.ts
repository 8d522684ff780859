import { test } from 'node:test'
import assert from 'node:assert/strict'
import { setTimeout as after } from 'node:timers/promises'
import type { ErrorCode } from '../errors.ts'
import { codeOf, ProtocolError } from '../errors.ts'
import type { FetchOpen, FetchWant } from '../fetch.ts'
import type { SopUid, StudyUid } from '../ids.ts'
import { startHost, startPair, until } from './pair.fixture.ts'
import type { Pair, Side } from './pair.fixture.ts'
import type { HolderStream, ReaderFrame, ReaderStream } from './transport.ts'

const KiB = 1024
const open: FetchOpen = {
  assertion: 'assertion',
  study: '1.2.3' as StudyUid,
  priority: 'background',
}
const want = (number: number, rank = 0): FetchWant => ({
  want: number,
  sop: `1.2.${number}` as SopUid,
  offset: 0,
  rank,
})
const coded = (code: ErrorCode) => (error: unknown) => {
  assert.equal(codeOf(error), code, String(error))
  return true
}
const bytesOf = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255)

/** Serves every want with the same bytes, in the order in which they come. */
const serve =
  (bytes: Uint8Array) =>
  async (stream: HolderStream): Promise<void> => {
    for await (const request of stream.requests()) {
      if (request.type === 'cancel') continue
      await stream.data(request.want.want, 0, bytes)
      await stream.done(request.want.want)
    }
  }

function startServing(
  onFetch: (stream: HolderStream) => Promise<void>,
  side: Side = {},
): Promise<Pair> {
  return startPair(side, { ...side, onFetch })
}

async function collect(stream: ReaderStream, credit = 0): Promise<ReaderFrame[]> {
  const frames: ReaderFrame[] = []
  for await (const frame of stream.frames()) {
    frames.push(frame)
    if (frame.type === 'data' && credit > 0) stream.credit(frame.bytes.byteLength)
    if (frame.type === 'done') await stream.close()
  }
  return frames
}

test('wanted bytes arrive in slices, in order, then done', async () => {
  const bytes = bytesOf(1000 * KiB)
  await using pair = await startServing(serve(bytes))
  await using stream = await pair.link.openFetch(open)
  stream.credit(128 * KiB)
  stream.want(want(1))
  const frames = await collect(stream, 1)
  const parts: Uint8Array[] = []
  let offset = 0
  for (const frame of frames) {
    if (frame.type !== 'data') continue
    assert.equal(frame.offset, offset)
    assert.ok(frame.bytes.byteLength <= 64 * KiB)
    offset += frame.bytes.byteLength
    parts.push(frame.bytes)
  }
  assert.ok(Buffer.concat(parts).equals(bytes))
  assert.deepEqual(frames.at(-1), { type: 'done', want: 1 })
})

test('the holder sees what was opened, by whom, and each want, change and cancel in order', async () => {
  const seen: unknown[] = []
  const onFetch = async (stream: HolderStream): Promise<void> => {
    seen.push(stream.peer, stream.open)
    for await (const request of stream.requests()) seen.push(request)
  }
  await using pair = await startServing(onFetch)
  const stream = await pair.link.openFetch(open)
  const reading = collect(stream)
  stream.want(want(1, 5))
  stream.want(want(1, 0))
  stream.cancel(1)
  await until('all has come', () => seen.length === 5)
  assert.deepEqual(seen, [
    pair.a.peerId,
    open,
    { type: 'want', want: want(1, 5) },
    { type: 'want', want: want(1, 0) },
    { type: 'cancel', want: 1 },
  ])
  await stream.close()
  assert.deepEqual(await reading, [])
})

test('a reader that grants no credit gets no bytes, and a slow one bounds what is in flight', async () => {
  let sent = 0
  const bytes = bytesOf(64 * KiB)
  const onFetch = async (stream: HolderStream): Promise<void> => {
    for await (const request of stream.requests()) {
      if (request.type === 'cancel') continue
      for (let i = 0; i < 64; i++) {
        await stream.data(request.want.want, i * bytes.byteLength, bytes)
        sent += bytes.byteLength
      }
      await stream.done(request.want.want)
    }
  }
  await using pair = await startServing(onFetch)
  await using stream = await pair.link.openFetch(open)
  stream.want(want(1))
  await after(100)
  assert.equal(sent, 0)
  const window = 256 * KiB
  stream.credit(window)
  let received = 0
  for await (const frame of stream.frames()) {
    if (frame.type === 'done') break
    if (frame.type !== 'data') continue
    await after(2)
    assert.ok(sent - received <= window, `${sent - received} bytes in flight`)
    received += frame.bytes.byteLength
    stream.credit(frame.bytes.byteLength)
  }
  assert.equal(received, 64 * bytes.byteLength)
})

test('a reader that stops reading leaves the holder with at most the credit sent', async () => {
  let sent = 0
  const onFetch = async (stream: HolderStream): Promise<void> => {
    for (let offset = 0; ; offset += 64 * KiB) {
      await stream.data(1, offset, new Uint8Array(64 * KiB))
      sent += 64 * KiB
    }
  }
  await using pair = await startServing(onFetch)
  const stream = await pair.link.openFetch(open)
  stream.want(want(1))
  stream.credit(4 * 1024 * KiB)
  await until('some has been sent', () => sent > 0)
  await after(200)
  assert.ok(sent <= 4 * 1024 * KiB)
  await stream.close()
})

test('a refusal reaches the reader as its code', async () => {
  await using pair = await startServing(async () => {
    throw new ProtocolError('forbidden', 'not for you, for a reason that stays here')
  })
  await using stream = await pair.link.openFetch(open)
  stream.want(want(1))
  await assert.rejects(collect(stream), coded('forbidden'))
})

test('a holder that cuts a stream while sending says why', async () => {
  const onFetch = async (stream: HolderStream): Promise<void> => {
    await stream.data(1, 0, new Uint8Array(100 * KiB))
    throw new ProtocolError('forbidden', 'revoked')
  }
  await using pair = await startServing(onFetch)
  await using stream = await pair.link.openFetch(open)
  stream.want(want(1))
  stream.credit(1024 * KiB)
  let received = 0
  const read = async (): Promise<void> => {
    for await (const frame of stream.frames()) {
      if (frame.type === 'data') received += frame.bytes.byteLength
    }
  }
  await assert.rejects(read(), coded('forbidden'))
  assert.equal(received, 100 * KiB)
})

test('an error of one want does not end the stream', async () => {
  const onFetch = async (stream: HolderStream): Promise<void> => {
    for await (const request of stream.requests()) {
      if (request.type === 'cancel') continue
      const { want: number } = request.want
      if (number === 1) await stream.error({ want: 1, code: 'not_found' })
      else await stream.done(number)
    }
  }
  await using pair = await startServing(onFetch)
  await using stream = await pair.link.openFetch(open)
  stream.want(want(1))
  stream.want(want(2))
  assert.deepEqual(await collect(stream), [
    { type: 'error', error: { want: 1, code: 'not_found' } },
    { type: 'done', want: 2 },
  ])
})

test('a holder that dies while sending is never a clean end', async () => {
  for (const how of ['dispose', 'hang up', 'return'] as const) {
    const sending = Promise.withResolvers<void>()
    const b = await startHost({
      onFetch: async (stream) => {
        await stream.data(1, 0, new Uint8Array(10 * KiB))
        sending.resolve()
        if (how !== 'return') await new Promise(() => undefined)
      },
    })
    await using a = await startHost()
    const link = await a.connect(b.peerId, b.addresses())
    await using stream = await link.openFetch(open)
    stream.want(want(1))
    stream.credit(1024 * KiB)
    const reading = assert.rejects(collect(stream), coded('stream_closed'), how)
    await sending.promise
    if (how === 'hang up') await b.hangUp(a.peerId)
    if (how !== 'return') await b[Symbol.asyncDispose]()
    await reading
    await b[Symbol.asyncDispose]()
  }
})

test('a reader that goes away ends the work at the holder', async () => {
  const ended: ErrorCode[] = []
  const onFetch = async (stream: HolderStream): Promise<void> => {
    try {
      await stream.data(1, 0, new Uint8Array(1024 * KiB))
    } catch (error) {
      ended.push(codeOf(error))
      throw error
    }
  }
  await using pair = await startServing(onFetch)
  const stop = new AbortController()
  const stream = await pair.link.openFetch(open, { signal: stop.signal })
  stream.want(want(1))
  stream.credit(10)
  const reading = assert.rejects(collect(stream), ProtocolError)
  await after(50)
  stop.abort()
  await reading
  await until('the holder has stopped', () => ended.length === 1)
  assert.deepEqual(ended, ['stream_closed'])
})

test('an idle bulk stream is reset, a control stream beside it lives on', async () => {
  const limits = { bulkIdleTimeoutMs: 150 }
  const onFetch = async (stream: HolderStream): Promise<void> => {
    for await (const request of stream.requests()) void request
  }
  await using pair = await startServing(onFetch, { limits })
  await using stream = await pair.link.openFetch(open)
  await assert.rejects(collect(stream), ProtocolError)
  assert.deepEqual(await pair.link.request('ping', {}), {})
})

test('a holder that sends more than the credit, or what was not wanted, is cut off', async () => {
  await using pair = await startServing(async (stream) => {
    await stream.data(7, 0, new Uint8Array(10))
  })
  await using stream = await pair.link.openFetch(open)
  stream.want(want(1))
  stream.credit(1024)
  await assert.rejects(collect(stream), coded('frame_malformed'))
})

test('a reader that grants more than two windows, or wants too much at once, is refused', async () => {
  const hang = async (stream: HolderStream): Promise<void> => {
    await new Promise((resolve) => {
      stream.signal.addEventListener('abort', resolve)
    })
  }
  await using pair = await startServing(hang, { limits: { wantsMax: 4 } })
  const greedy = await pair.link.openFetch(open)
  greedy.credit(2 ** 31)
  await assert.rejects(collect(greedy), coded('frame_malformed'))
  const many = await pair.link.openFetch(open)
  for (let i = 1; i <= 6; i++) many.want(want(i))
  await assert.rejects(collect(many), coded('rate_limited'))
})

test('one bulk stream too many is told so, and the others go on', async () => {
  await using pair = await startServing(serve(bytesOf(10)), {
    limits: { inboundStreamsPerPeer: 2 },
  })
  // The dialler counts for itself too; both maxima are the same here.
  const first = await pair.link.openFetch(open)
  const second = await pair.link.openFetch(open)
  await assert.rejects(async () => {
    await using third = await pair.link.openFetch(open)
    third.want(want(1))
    await collect(third)
  }, coded('rate_limited'))
  for (const stream of [first, second]) {
    stream.credit(100)
    stream.want(want(1))
    assert.equal((await collect(stream, 1)).length, 2)
  }
})

test('a host that holds nothing does not speak the bulk protocol', async () => {
  await using pair = await startPair()
  await assert.rejects(pair.link.openFetch(open), coded('unsupported'))
})
