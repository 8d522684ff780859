import { test } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import { readPart10File } from '../dicom/part10.ts'
import { createMemoryIngest, dcmtk, hasDcmtk, sha256, startScp } from './scp.fixture.ts'
import { until } from './units.fixture.ts'

const corpus = process.env['CAMI_CORPUS'] ?? '../shared/data'
const skip = !(await hasDcmtk())
  ? 'dcmtk is not installed'
  : !existsSync(corpus) && 'the corpus is not here'

const addressed = (port: number, calledAe = 'CAMI', callingAe = 'STORESCU') => [
  '-aet',
  callingAe,
  '-aec',
  calledAe,
  '127.0.0.1',
  String(port),
]

test('echoscu is answered', { skip }, async () => {
  await using scp = await startScp(createMemoryIngest())
  const { code, output } = await dcmtk('echoscu', ['-v', ...addressed(scp.port)])
  assert.equal(code, 0, output)
  assert.match(output, /Received Echo Response \(Success\)/)
})

/** Files that dcmtk sends as they are, and the option that makes it propose their syntax. */
const files = [
  ['-xi', 'modalities/CT/dicompyler_ct.0.dcm'],
  ['-xe', 'charsets/clunie-via-pydicom/chrRuss.dcm'],
  ['-xb', 'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_explicit_be.dcm'],
  ['-xy', 'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_jpeg_baseline_50.dcm'],
  ['-xx', 'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_jpeg_extended_51.dcm'],
  ['-xs', 'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_jpeg_lossless_sv1_70.dcm'],
  ['-xt', 'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_jpegls_lossless_80.dcm'],
  ['-xu', 'transfer-syntaxes/fragments-and-offset-tables/CT0012.fragmented_no_bot_jpeg_ls.81.dcm'],
  ['-xv', 'transfer-syntaxes/small/pydicom_GDCMJ2K_TextGBR.dcm'],
  ['-xr', 'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_rle.dcm'],
] as const

for (const [option, file] of files) {
  test(`storescu ${option} keeps ${path.basename(file)} byte for byte`, { skip }, async () => {
    const ingest = createMemoryIngest()
    await using scp = await startScp(ingest)
    const name = path.join(corpus, file)
    const sent = readPart10File(await readFile(name))
    const { code, output } = await dcmtk('storescu', [option, ...addressed(scp.port), name])
    assert.equal(code, 0, output)
    const [kept] = ingest.kept
    assert.ok(kept)
    assert.equal(kept.declared.transferSyntax, sent.transferSyntax)
    assert.equal(kept.declared.sopClass, sent.sopClass)
    assert.equal(kept.declared.sopUid, sent.sopUid)
    assert.equal(sha256(kept.dataSet), sha256(sent.dataSet))
    const { association, ...origin } = kept.origin as typeof kept.origin & { kind: 'dimse' }
    assert.ok(association)
    assert.deepEqual(origin, {
      kind: 'dimse',
      callingAe: 'STORESCU',
      calledAe: 'CAMI',
      address: '127.0.0.1',
      device: 'ct-1',
    })
  })
}

const anyFile = path.join(corpus, files[0][1])

test('a failure reaches storescu with status and comment', { skip }, async () => {
  for (const [code, status] of [
    ['storage_full', 'a700'],
    ['instance_mismatch', 'a900'],
    ['instance_truncated', 'c000'],
  ] as const) {
    const ingest = createMemoryIngest({
      finish: async () => {
        throw new ProtocolError(code, 'secret of the patient')
      },
    })
    await using scp = await startScp(ingest)
    const { output } = await dcmtk('storescu', ['-d', '-xi', ...addressed(scp.port), anyFile])
    assert.match(output, new RegExp(`DIMSE Status +: 0x${status}`))
    assert.doesNotMatch(output, /secret/)
    assert.equal(ingest.kept.length, 0)
  }
})

test('a full archive refuses before any data and the association lives on', { skip }, async () => {
  let isFull = true
  const ingest = createMemoryIngest({
    ingest: async () => {
      if (isFull) throw new ProtocolError('storage_full', 'full')
      isFull = true
    },
    onWrite: () => true,
  })
  await using scp = await startScp(ingest)
  const refused = await dcmtk('storescu', ['-d', '-xi', ...addressed(scp.port), anyFile])
  assert.match(refused.output, /DIMSE Status +: 0xa700/)
  isFull = false
  const stored = await dcmtk('storescu', ['-xi', ...addressed(scp.port), anyFile])
  assert.equal(stored.code, 0)
  assert.equal(ingest.kept.length, 1)
})

test(
  'other content under a stored UID is a failure with a comment and an alert',
  { skip },
  async () => {
    const ingest = createMemoryIngest({
      finish: async () => ({ outcome: 'quarantined', reason: 'uid-conflict' }),
    })
    await using scp = await startScp(ingest)
    const { output } = await dcmtk('storescu', ['-d', '-xi', ...addressed(scp.port), anyFile])
    assert.match(output, /DIMSE Status +: 0xc001/)
    assert.match(output, /SOP instance is stored with other content/)
    assert.deepEqual(
      scp.audited.map(({ event, code, outcome }) => ({ event, code, outcome })),
      [{ event: 'security-alert', code: 'instance_conflict', outcome: 'denied' }],
    )
  },
)

test('a called title that is not ours is rejected', { skip }, async () => {
  await using scp = await startScp(createMemoryIngest())
  const { code, output } = await dcmtk('echoscu', addressed(scp.port, 'OTHER'))
  assert.notEqual(code, 0)
  assert.match(output, /Called AE Title Not Recognized/i)
  assert.equal(scp.audited.length, 1)
})

test('an unknown caller from elsewhere is rejected, and audited once', { skip }, async () => {
  await using scp = await startScp(createMemoryIngest())
  for (const title of ['NOBODY', 'NOBODY2']) {
    const { code, output } = await dcmtk('echoscu', addressed(scp.port, 'CAMI', title))
    assert.notEqual(code, 0)
    assert.match(output, /Calling AE Title Not Recognized/i)
  }
  assert.deepEqual(
    scp.audited.map(({ event, outcome, user, source }) => ({ event, outcome, user, source })),
    [{ event: 'security-alert', outcome: 'denied', user: 'NOBODY', source: '127.0.0.1' }],
  )
})

test('an unknown caller of our own networks is kept without a device', { skip }, async () => {
  const ingest = createMemoryIngest()
  await using scp = await startScp({ ...ingest, quarantineSubnets: ['127.0.0.0/8'] })
  const target = addressed(scp.port, 'CAMI', 'NOBODY')
  const { code, output } = await dcmtk('storescu', ['-xi', ...target, anyFile])
  assert.equal(code, 0, output)
  const origin = ingest.kept[0]?.origin
  assert.ok(origin?.kind === 'dimse')
  assert.equal(origin.device, undefined)
  const [alert] = scp.audited
  assert.deepEqual(
    [alert?.outcome, alert?.detail],
    ['success', 'AE title is not registered, kept in quarantine'],
  )
})

test('devices are looked up anew for every association', { skip }, async () => {
  const ingest = createMemoryIngest()
  const device = { id: 'x', aeTitle: 'NEW', addresses: ['127.0.0.1'], modality: 'CT' }
  const devices = [{ ...device, startDate: '2999-01-01' }]
  await using scp = await startScp({ ...ingest, devices })
  const target = addressed(scp.port, 'CAMI', 'NEW')
  assert.notEqual((await dcmtk('echoscu', target)).code, 0)
  assert.equal(scp.audited[0]?.detail, 'device before its first day, refused')
  devices.push({ ...device, startDate: '2020-01-01' })
  assert.equal((await dcmtk('echoscu', target)).code, 0)
})

test('the association and its sockets are gone when the sender is done', { skip }, async () => {
  await using scp = await startScp(createMemoryIngest())
  await dcmtk('echoscu', addressed(scp.port))
  await until(() => scp.connections() === 0)
})
