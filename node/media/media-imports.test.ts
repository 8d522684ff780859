import assert from 'node:assert/strict'
import { cp, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { dataSet } from '../archive/archive.fixture.ts'
import { element, item } from '../dicom/data-set.fixture.ts'
import { readDirectory } from './directory.ts'
import { importMedium, type FileReport } from './import.ts'
import { createMediaWorld, fileOf, importer, writeTree, zipOf } from './media.fixture.ts'
import { safePath } from './medium.ts'
import { openZip } from './zip.ts'

const corpus = path.resolve(process.env['CAMI_CORPUS'] ?? '../shared/data')
const noCorpus = await readdir(corpus).then(
  () => false,
  () => 'no corpus',
)

const slice = (sop: string, more: { study?: string; patientId?: string; name?: string } = {}) =>
  fileOf(dataSet({ study: '1.2.1', series: '1.2.1.1', sop, ...more }), sop)

const outcomes = (files: FileReport[]): Record<string, string> =>
  Object.fromEntries(
    files
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
      .map(({ path, outcome, reason }) => [path, reason ? `${outcome} ${reason}` : outcome]),
  )

test('a folder is taken in, twice without harm, and every file is reported', async () => {
  await using world = await createMediaWorld()
  await writeTree(path.join(world.mountDir, 'disc'), {
    'IMAGES/1': slice('1.2.1.1.1'),
    'IMAGES/2.dcm': slice('1.2.1.1.2'),
    'IMAGES/other-patient': slice('1.2.1.1.3', { patientId: '43', name: 'Сидоров' }),
    'IMAGES/cut.dcm': slice('1.2.1.1.4').subarray(0, -4),
    'viewer/start.exe': Buffer.from('MZ nothing'),
    empty: new Uint8Array(0),
  })
  await symlink('/etc/passwd', path.join(world.mountDir, 'disc', 'link'))
  await symlink('/etc', path.join(world.mountDir, 'disc', 'folder-link'))
  const first = await world.importFolder('disc')
  assert.deepEqual(outcomes(first), {
    'IMAGES/1': 'stored',
    'IMAGES/2.dcm': 'stored',
    'IMAGES/cut.dcm': 'refused instance_truncated',
    'IMAGES/other-patient': 'quarantined patient-conflict',
    empty: 'no-dicom',
    'folder-link': 'refused symbolic_link',
    link: 'refused symbolic_link',
    'viewer/start.exe': 'no-dicom',
  })
  const again = outcomes(await world.importFolder('disc'))
  assert.equal(again['IMAGES/1'], 'duplicate')
  assert.equal((await world.archive.counts()).instances, 2)
  const { detail, instances, study } = world.audited[0] ?? {}
  assert.deepEqual({ detail, instances, study }, { detail: 'medium', instances: 2, study: '1.2.1' })
})

test('only folders below the mounted ones are imported', async () => {
  await using world = await createMediaWorld()
  await symlink('/etc', path.join(world.mountDir, 'out'))
  for (const folder of ['..', '../uploads', '/etc', 'out', 'missing', 'a/../../x', '']) {
    await assert.rejects(world.imports.importFolder(importer, folder), { code: 'not_found' })
  }
})

test('a ZIP file is streamed, and what must not be in it is refused', async () => {
  await using world = await createMediaWorld()
  const good = slice('1.2.1.1.1')
  const inner = await zipOf(world.dir, [{ name: 'x.dcm', bytes: good }])
  const zip = await zipOf(world.dir, [
    { name: 'disc/IM1', bytes: good },
    { name: 'disc/IM2', bytes: slice('1.2.1.1.2') },
    { name: '../../escape.dcm', bytes: slice('1.2.1.1.3') },
    { name: '/absolute.dcm', bytes: slice('1.2.1.1.4') },
    { name: 'C:\\windows.dcm', bytes: slice('1.2.1.1.5') },
    { name: 'secret.dcm', bytes: slice('1.2.1.1.6'), password: 'x' },
    { name: 'link', bytes: Buffer.from('/etc/passwd'), symlink: true },
    { name: 'disc\\IM1', bytes: slice('1.2.1.1.7') },
    { name: 'inner.zip', bytes: inner },
  ])
  const files = await world.importZip(zip)
  const twice = files.filter(({ path }) => path === 'disc/IM1').map(({ outcome }) => outcome)
  assert.deepEqual(twice, ['refused', 'stored'])
  assert.deepEqual(outcomes(files.filter(({ path }) => path !== 'disc/IM1')), {
    '../../escape.dcm': 'refused unsafe_name',
    '/absolute.dcm': 'refused unsafe_name',
    'C:\\windows.dcm': 'refused unsafe_name',
    'disc/IM2': 'stored',
    'inner.zip': 'no-dicom',
    link: 'refused symbolic_link',
    'secret.dcm': 'refused encrypted',
  })
  assert.equal((await world.archive.counts()).instances, 2)
  assert.deepEqual(await readdir(path.join(world.dir, 'uploads')), [])
})

test('damaged ZIP files fail or lose single files, and never more', async () => {
  await using world = await createMediaWorld()
  const zip = await zipOf(world.dir, [
    { name: 'a', bytes: slice('1.2.1.1.1') },
    { name: 'b', bytes: slice('1.2.1.1.2') },
  ])
  assert.deepEqual(await world.importZip(Buffer.from('no zip at all')), [])
  assert.equal(world.imports.list()[0]?.state, 'failed')
  assert.equal(world.imports.list()[0]?.code, 'bad_request')
  const altered = Buffer.from(zip)
  altered[80] = (altered[80] ?? 0) ^ 0xff
  const reports = outcomes(await world.importZip(altered))
  assert.match(reports['a'] ?? '', /^refused|^no-dicom/)
  assert.equal(reports['b'], 'stored')
  assert.deepEqual(await world.importZip(zip.subarray(0, -30)), [])
})

test('a bomb of zeros is stopped by what a whole ZIP file may grow to', async () => {
  await using world = await createMediaWorld()
  const bomb = Buffer.concat([slice('1.2.1.1.1'), Buffer.alloc(4_000_000)])
  const file = path.join(world.dir, 'bomb.zip')
  await writeFile(file, await zipOf(world.dir, [{ name: 'bomb', bytes: bomb }]))
  await using medium = await openZip(file, { inflatedBytesFree: 1_000_000, inflationMax: 100 })
  const files: FileReport[] = []
  const signal = new AbortController().signal
  const onFile = (report: FileReport) => void files.push(report)
  const { archive } = world
  await importMedium(medium, { archive, name: 'x', signal, onFile, onListed: () => undefined })
  assert.deepEqual(outcomes(files), { bomb: 'refused too_large' })
})

test('no damage to a ZIP file makes reading it fail otherwise than with a code', async () => {
  await using world = await createMediaWorld()
  const whole = await zipOf(world.dir, [
    { name: 'a', bytes: slice('1.2.1.1.1') },
    { name: 'b/c', bytes: Buffer.alloc(5000, 'text') },
  ])
  const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), {
    minLength: 1,
    maxLength: 6,
  })
  const file = path.join(world.dir, 'damaged.zip')
  const { archive } = world
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(40), async (damaged, cut) => {
      const bytes = Buffer.from(whole.subarray(0, whole.length - cut * (cut % 2)))
      for (const [at, byte] of damaged) if (at < bytes.length) bytes[at] = byte
      await writeFile(file, bytes)
      const signal = AbortSignal.timeout(60_000)
      const files: FileReport[] = []
      const parts = { archive, name: 'x', signal, onListed: () => undefined }
      try {
        await using medium = await openZip(file)
        await importMedium(medium, { ...parts, onFile: (report) => void files.push(report) })
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error))
      }
      assert.ok(files.every(({ path: name }) => !name.includes('..')))
    }),
    { numRuns: 60, seed: 8 },
  )
})

test('an import can be cancelled, and there are not too many at a time', async () => {
  await using world = await createMediaWorld()
  const gate = Promise.withResolvers<void>()
  const zip = await zipOf(world.dir, [{ name: 'a', bytes: slice('1.2.1.1.1') }])
  const body = async function* () {
    yield zip.subarray(0, 10)
    await gate.promise
    yield zip.subarray(10)
  }
  const uploads = [1, 2].map(async (n) =>
    world.imports.upload(importer, { name: `${n}`, body: body() }),
  )
  await assert.rejects(world.imports.upload(importer, { name: '3', body: body() }), {
    code: 'rate_limited',
  })
  const [first] = world.imports.list()
  assert.ok(first)
  await world.imports.cancel(first.id)
  gate.resolve()
  const ends = await Promise.allSettled(uploads)
  assert.deepEqual(ends.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  assert.equal(world.imports.status(first.id).state, 'cancelled')
})

test('an upload that stalls can be cancelled, and leaves its place and nothing else', async () => {
  await using world = await createMediaWorld()
  const body = async function* () {
    yield Buffer.from('PK')
    await new Promise(() => undefined)
  }
  const stalled = [1, 2].map((n) =>
    world.imports.upload(importer, { name: `${n}`, body: body() }).catch(codeOf),
  )
  while (world.imports.list().some(({ received }) => received === 0)) await sleep(5)
  for (const { id } of world.imports.list()) {
    assert.equal((await world.imports.cancel(id)).state, 'cancelled')
  }
  assert.deepEqual(await Promise.all(stalled), ['aborted', 'aborted'])
  assert.deepEqual(await readdir(path.join(world.dir, 'uploads')), [])
  const broken = async function* () {
    yield Buffer.from('PK')
    throw new Error('read ECONNRESET')
  }
  await assert.rejects(world.imports.upload(importer, { name: 'x', body: broken() }), {
    code: 'aborted',
  })
  assert.equal(world.imports.list()[0]?.code, 'aborted')
  const zip = await zipOf(world.dir, [{ name: 'a', bytes: slice('1.2.1.1.1') }])
  assert.deepEqual(outcomes(await world.importZip(zip)), { a: 'stored' })
})

test(
  'a DICOMDIR is followed: all that it names comes in, from a folder and from a ZIP file',
  {
    skip: noCorpus,
  },
  async () => {
    await using world = await createMediaWorld()
    const disc = path.join(world.mountDir, 'disc')
    await cp(path.join(corpus, 'media/dicomdir-pydicom'), disc, { recursive: true })
    const files = await world.importFolder('disc')
    assert.equal(files.length, 31)
    assert.ok(files.every(({ outcome }) => outcome === 'stored'))
    const members = []
    for (const entry of await readdir(disc, { recursive: true, withFileTypes: true })) {
      const place = path.join(entry.parentPath, entry.name)
      // A ZIP file made by Windows: other separators, small letters.
      const name = `cd\\${path.relative(disc, place).toLowerCase().replaceAll('/', '\\')}`
      if (entry.isFile()) members.push({ name, bytes: await readFile(place) })
    }
    const zipped = await world.importZip(await zipOf(world.dir, members))
    assert.equal(zipped.length, 31)
    assert.ok(zipped.every(({ outcome }) => outcome === 'duplicate'))
  },
)

test(
  'every way to write a DICOMDIR is read, and names what is missing',
  { skip: noCorpus },
  async () => {
    const variants = path.join(corpus, 'media/dicomdir-variants')
    const counts: Record<string, string> = {}
    for (const name of await readdir(variants)) {
      const { records, problem } = readDirectory(await readFile(path.join(variants, name)))
      counts[name] = `${records.length} ${problem ?? ''}`.trim()
    }
    assert.deepEqual(counts, {
      'DICOMDIR-bigEnd': '31',
      'DICOMDIR-empty.dcm': '0',
      'DICOMDIR-implicit': '31',
      'DICOMDIR-nooffset': '30 instance_malformed',
      'DICOMDIR-nopatient': '31',
      'DICOMDIR-reordered': '31',
    })
    await using world = await createMediaWorld()
    await cp(variants, path.join(world.mountDir, 'variants'), { recursive: true })
    const files = await world.importFolder('variants')
    assert.ok(files.every(({ outcome }) => outcome === 'missing' || outcome === 'no-dicom'))
  },
)

test('a corpus of malformed files is reported file by file', { skip: noCorpus }, async () => {
  await using world = await createMediaWorld()
  const folder = path.join(world.mountDir, 'malformed')
  await cp(path.join(corpus, 'malformed'), folder, { recursive: true })
  const files = await world.importFolder('malformed')
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  assert.equal(files.length, found.filter((entry) => entry.isFile()).length)
})

test('of two files with one UID the second is quarantined', { skip: noCorpus }, async () => {
  await using world = await createMediaWorld()
  const names = ['A', 'B'].map((one) => `same_sop_uid_other_content_${one}.dcm`)
  for (const name of names) {
    const place = path.join(world.mountDir, 'pair', name)
    await cp(path.join(corpus, 'malformed/synthetic', name), place)
  }
  const pair = Object.values(outcomes(await world.importFolder('pair')))
  assert.deepEqual(new Set(pair), new Set(['quarantined uid-conflict', 'stored']))
})

test('no directory makes reading fail otherwise than with a code, or run long', () => {
  const record = fc.record({
    id: fc.string({ maxLength: 20 }),
    inUse: fc.nat(65_535),
    next: fc.nat(),
  })
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 })
  fc.assert(
    fc.property(fc.array(record, { maxLength: 12 }), damage, (records, damaged) => {
      const bytes = directoryOf(records)
      for (const [at, byte] of damaged) bytes[at % bytes.length] = byte
      try {
        assert.ok(readDirectory(bytes).records.length <= bytes.length)
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error))
      }
    }),
    { numRuns: 1000, seed: 3 },
  )
})

test('offsets that run in circles or out of the file are not followed', () => {
  const records = [
    { id: 'A\\B', inUse: 0xffff, next: 0 },
    { id: 'C', inUse: 0, next: 0xffff_ffff },
    { id: '..\\..\\ETC', inUse: 0xffff, next: 1 },
  ]
  assert.deepEqual(readDirectory(directoryOf(records)).records, [
    { fileId: ['A', 'B'], isInactive: false },
    { fileId: ['C'], isInactive: true },
    { fileId: ['..', '..', 'ETC'], isInactive: false },
  ])
})

test('a path that is safe stays below where it is joined', () => {
  const part = fc.constantFrom('..', '.', '', 'a', 'C:', '/', '\\', 'b c', '\0', '…')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.constantFrom('/', '\\'), (parts, slash) => {
      const safe = safePath(parts.join(slash))
      if (safe === undefined) return
      assert.ok(path.posix.resolve('/root', safe).startsWith('/root/'))
      assert.ok(path.win32.resolve('c:\\root', safe).startsWith('c:\\root\\'))
    }),
    { seed: 4, numRuns: 2000 },
  )
})

function directoryOf(records: { id: string; inUse: number; next: number }[]): Buffer {
  const number = (value: number, width: 2 | 4): Buffer => {
    const bytes = Buffer.alloc(width)
    if (width === 2) bytes.writeUInt16LE(value & 0xffff)
    else bytes.writeUInt32LE(value >>> 0)
    return bytes
  }
  const items = records.map(({ id, inUse, next }) =>
    item(
      Buffer.concat([
        element('00041400', 'UL', number(next, 4)),
        element('00041410', 'US', number(inUse, 2)),
        element('00041420', 'UL', number(next, 4)),
        element('00041430', 'CS', 'IMAGE'),
        element('00041500', 'CS', id),
      ]),
    ),
  )
  const dataSet = Buffer.concat([
    element('00041200', 'UL', number(1, 4)),
    element('00041220', 'SQ', Buffer.concat(items)),
  ])
  return fileOf(dataSet, '1.2.3')
}
