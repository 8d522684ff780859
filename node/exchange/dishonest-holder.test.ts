import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { ErrorCode } from '#protocol/errors.ts'
import type { Handlers } from '#protocol/transport/transport.ts'
import { digestOf } from './digests.ts'
import {
  collect,
  createFixtureStudy,
  instanceOf,
  newKey,
  startGrantee,
  startHolder,
  studyUid,
  until,
  coded,
} from './exchange.fixture.ts'
import type { Grantee, HolderSide } from './exchange.fixture.ts'

const KiB = 1024
const flipped = (bytes: Uint8Array): Uint8Array => {
  const changed = Uint8Array.from(bytes)
  changed[changed.byteLength >> 1] = (changed[changed.byteLength >> 1] ?? 0) ^ 1
  return changed
}
async function copiesOf(grantee: Grantee): Promise<string[]> {
  const names = await readdir(path.join(grantee.dir, 'copies'), { recursive: true })
  return names.filter((name) => name.includes('/'))
}

test('a wrong chunk is refused and asked for again, of small and large instances', async () => {
  for (const length of [100 * KiB, 700 * KiB, 3000 * KiB]) {
    const one = instanceOf(1, length)
    const study = createFixtureStudy([one])
    let lies = 1
    study.tamper = (_sop, offset, bytes) => {
      if (offset > length / 2 || lies-- <= 0) return bytes
      return flipped(bytes)
    }
    await using holder = await startHolder({ study })
    await using grantee = await startGrantee(holder)
    await using reader = await grantee.open()
    assert.equal(digestOf(await collect(reader.read(one.sop))), digestOf(one.bytes))
    assert.ok(lies < 0, 'it was asked again')
    assert.ok(holder.served.bytes <= length + 256 * KiB, 'only the wrong chunk came twice')
  }
})

test('a holder that sends only wrong bytes is left alone, and nothing of it becomes a copy', async () => {
  for (const length of [100 * KiB, 700 * KiB, 3000 * KiB]) {
    const one = instanceOf(1, length)
    const study = createFixtureStudy([one])
    study.tamper = (_sop, offset, bytes) => (offset === 0 ? flipped(bytes) : bytes)
    await using holder = await startHolder({ study })
    await using grantee = await startGrantee(holder)
    await using reader = await grantee.open()
    await assert.rejects(collect(reader.read(one.sop)), coded('chunk_mismatch'))
    assert.deepEqual(await copiesOf(grantee), [])
    const reads = study.reads.length
    await assert.rejects(collect(reader.read(one.sop)), coded('chunk_mismatch'))
    assert.equal(study.reads.length, reads, 'not asked again for a while')
    study.tamper = undefined
    grantee.clock.now += 11 * 60_000
    assert.equal(digestOf(await collect(reader.read(one.sop))), digestOf(one.bytes))
  }
})

test('what was left alone for a while is brought in the background afterwards, though nobody waits', async () => {
  const one = instanceOf(1, 100 * KiB)
  const study = createFixtureStudy([one])
  study.tamper = (_sop, _offset, bytes) => flipped(bytes)
  await using holder = await startHolder({ study })
  await using grantee = await startGrantee(holder, { limits: { sweepIntervalMs: 10 } })
  await using reader = await grantee.open()
  await assert.rejects(collect(reader.read(one.sop)), coded('chunk_mismatch'))
  study.tamper = undefined
  grantee.clock.now += 11 * 60_000
  await until('it is here', () => grantee.remote.progress(studyUid)?.state === 'complete')
})

test('what was left alone is not left alone for longer because the clock is set back', async () => {
  const one = instanceOf(1, 100 * KiB)
  const study = createFixtureStudy([one])
  study.tamper = (_sop, _offset, bytes) => flipped(bytes)
  await using holder = await startHolder({ study })
  await using grantee = await startGrantee(holder)
  await using reader = await grantee.open()
  await assert.rejects(collect(reader.read(one.sop)), coded('chunk_mismatch'))
  study.tamper = undefined
  grantee.clock.now -= 24 * 3_600_000
  assert.equal(digestOf(await collect(reader.read(one.sop))), digestOf(one.bytes))
})

const lies: [string, (own: Handlers) => Handlers, ErrorCode][] = [
  [
    'a page that is not the one of its digest',
    (own) => ({
      ...own,
      'manifest.page': async (params, context) => {
        const page = await own['manifest.page']?.(params, context)
        assert.ok(page)
        return { instances: page.instances.map((one) => ({ ...one, bytes: one.bytes + 1 })) }
      },
    }),
    'manifest_mismatch',
  ],
  [
    'a manifest that is no token',
    (own) => ({ ...own, 'manifest.get': async () => ({ manifest: 'nonsense' }) }),
    'token_malformed',
  ],
]

for (const [what, handlers, code] of lies) {
  test(`${what} is refused`, async () => {
    const side: HolderSide = { study: createFixtureStudy([instanceOf(1, 10)]), handlers }
    await using holder = await startHolder(side)
    await using grantee = await startGrantee(holder)
    await assert.rejects(grantee.open(), coded(code))
    assert.equal(grantee.remote.progress(studyUid), undefined)
  })
}

test('a manifest that another key signed is refused', async () => {
  const study = createFixtureStudy([instanceOf(1, 10)])
  await using honest = await startHolder({ study })
  await using other = await startHolder({ study })
  await using grantee = await startGrantee(honest)
  // The connection is real and admitted, the signature is another node's.
  grantee.target.node = other
  await assert.rejects(grantee.open(), coded('token_unknown_key'))
})

test('chunk digests that do not make up the root are refused, and end that instance alone', async () => {
  const large = instanceOf(1, 3000 * KiB)
  const small = instanceOf(2, 100 * KiB)
  await using holder = await startHolder({
    study: createFixtureStudy([large, small]),
    key: newKey(),
    handlers: (own) => ({
      ...own,
      'chunks.get': async () => ({
        chunks: Buffer.alloc(12 * 32, 7).toString('base64url'),
      }),
    }),
  })
  await using grantee = await startGrantee(holder)
  await using reader = await grantee.open()
  await assert.rejects(
    collect(reader.read(large.sop, { offset: 10, length: 10 })),
    coded('manifest_mismatch'),
  )
  assert.equal(digestOf(await collect(reader.read(small.sop))), digestOf(small.bytes))
  await until('the rest is here', () => grantee.remote.progress(studyUid)?.instances.done === 1)
})
