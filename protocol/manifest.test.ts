import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalJson } from './canonical-json.ts'
import { createFederation, instance } from './federation.fixture.ts'
import { type SeriesUid, Sha256, type SopUid, Uid } from './ids.ts'
import { sha256Hex } from './jws.ts'
import { streamLimits } from './limits.ts'
import {
  ManifestPage,
  checkManifestPages,
  manifestPageDigest,
  paginate,
  verifyManifest,
} from './manifest.ts'
import type { Manifest, ManifestInstance } from './manifest.ts'

const region = await createFederation()
const { holder, stranger } = region
const many = (count: number) => Array.from({ length: count }, (_, at) => instance(at + 1, at + 1))
const rootOf = async (instances: ManifestInstance[], over: Partial<Manifest> = {}) =>
  region.claims.manifest({
    count: instances.length,
    bytes: instances.reduce((sum, { bytes }) => sum + bytes, 0),
    pages: await Promise.all(paginate(instances).map(manifestPageDigest)),
    ...over,
  })

test('a manifest of the holder is read', async () => {
  const token = await region.sign.manifest()
  const { claims } = await verifyManifest(token, { holder: holder.oid, jwk: holder.jwk })
  assert.deepEqual(claims, region.claims.manifest())
})

test('a manifest of anybody else is not', async () => {
  const expected = { holder: holder.oid, jwk: holder.jwk }
  const forged = await stranger.signer.sign('cami-manifest+jws', region.claims.manifest())
  await assert.rejects(verifyManifest(forged, expected), { code: 'token_unknown_key' })
  const foreign = await region.sign.manifest({ iss: stranger.urn })
  await assert.rejects(verifyManifest(foreign, expected), { code: 'token_wrong_issuer' })
})

test('pages hold every instance once, in order, and each fits its frame', () => {
  const uid = Uid.parse(`2.25.${'9'.repeat(59)}`)
  const long = { class: uid, transferSyntax: uid, series: uid as SeriesUid }
  const short = { class: Uid.parse('1.2'), transferSyntax: Uid.parse('1.3') }
  const instances = [
    ...many(1500).map((one) => ({ ...one, ...short })),
    ...many(1500).map((one) => ({ ...one, ...long })),
  ]
  const pages = paginate(instances)
  assert.deepEqual(
    pages.flatMap((page) => page.instances),
    instances,
  )
  for (const page of pages) {
    assert.ok(ManifestPage.safeParse(page).success)
    assert.ok(canonicalJson(page).length <= streamLimits.manifestPageBytes)
  }
  const sizes = pages.map((page) => page.instances.length)
  assert.equal(sizes[0], streamLimits.manifestPageInstancesMax)
  assert.ok(sizes.slice(1, -1).every((size) => size < streamLimits.manifestPageInstancesMax))
  assert.deepEqual(paginate([]), [])
})

test('the same instances give the same pages', async () => {
  const [page] = paginate(many(3))
  assert.ok(page)
  assert.equal(await manifestPageDigest(page), await sha256Hex(canonicalJson({ ...page })))
})

test('the largest root that the schema allows fits its token', async () => {
  const pages = Array.from({ length: streamLimits.manifestPagesMax }, () =>
    Sha256.parse('ab'.repeat(32)),
  )
  const large = {
    pages,
    prev: pages[0] as Sha256,
    count: 2 ** 40,
    bytes: 2 ** 50,
    version: 2 ** 40,
  }
  const token = await region.sign.manifest({ ...large, state: 'complete' })
  await verifyManifest(token, { holder: holder.oid, jwk: holder.jwk })
})

test('a study of more pages than fit is refused by name', () => {
  const long = { ...instance(1), sop: '1'.repeat(64) as SopUid }
  const of = (count: number) => Array.from({ length: count }, () => long)
  const perPage = paginate(of(1000))[0]?.instances.length ?? 0
  const most = perPage * streamLimits.manifestPagesMax
  assert.equal(paginate(of(most)).length, streamLimits.manifestPagesMax)
  assert.throws(() => paginate(of(most + 1)), { code: 'too_large' })
})

test('pages make up the root exactly', async () => {
  const instances = many(1500)
  const pages = paginate(instances)
  const root = await rootOf(instances)
  await checkManifestPages(root, pages)
  const mismatch = { code: 'manifest_mismatch' }
  const [first, second] = pages
  assert.ok(first && second)
  const wrong: ManifestPage[][] = [
    pages.slice(1),
    [...pages, first],
    pages.toReversed(),
    [first, first, ...pages.slice(2)],
    [{ instances: first.instances.slice(1) }, ...pages.slice(1)],
    [first, { instances: second.instances.toReversed() }],
  ]
  for (const pages of wrong) await assert.rejects(checkManifestPages(root, pages), mismatch)
  const { count, bytes } = root
  await assert.rejects(checkManifestPages({ ...root, count: count + 1 }, pages), mismatch)
  await assert.rejects(checkManifestPages({ ...root, bytes: bytes + 1 }, pages), mismatch)
})

test('an instance that stands twice in a manifest is refused', async () => {
  const twice = [instance(1), instance(1)]
  const root = await rootOf(twice)
  await assert.rejects(checkManifestPages(root, paginate(twice)), { code: 'manifest_mismatch' })
})
