import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { Role } from '#protocol/authorize.ts'
import type { StudyUid, UserId } from '#protocol/ids.ts'
import {
  declare,
  holder,
  openTestArchive,
  scanner,
  searchProof,
  send,
  studyProof,
  temporaryFolder,
} from '../archive/archive.fixture.ts'
import type { Archive, Origin } from '../archive/archive.ts'
import { removeCatalog } from '../archive/catalog.ts'
import type { Device, TextEncoding } from '../config.ts'
import { element } from '../dicom/data-set.fixture.ts'
import { openDeviceRegister } from '../store/device-register.ts'
import { openRecords } from '../store/records.ts'
import { agreeingStudies, openTextEncodings } from '../store/text-encodings.ts'
import { createQualityDoors } from './quality-doors.ts'
import { createReception } from './reception.ts'
import type { SessionUser } from './session-user.ts'

const now = Date.parse('2026-03-02T10:20:00+07:00')

/** The inverse of a single-byte decoding. */
function encode(encoding: TextEncoding, text: string): Buffer {
  if (encoding === 'utf-8') return Buffer.from(text)
  const decoder = new TextDecoder(encoding)
  const codes = new Map(
    Array.from({ length: 256 }, (_, code) => [decoder.decode(Uint8Array.of(code)), code]),
  )
  return Buffer.from(Array.from(text, (char) => codes.get(char) ?? 0x3f))
}

type Texts = { name: string; encoding: TextEncoding; declared?: string; description?: string }

function objectOf(study: string, sop: string, texts: Texts): Buffer {
  const { name, encoding, declared, description } = texts
  const text = (tag: string, vr: string, value: string) =>
    element(tag, vr, encode(encoding, value.length % 2 === 0 ? value : `${value} `))
  return Buffer.concat([
    ...(declared === undefined ? [] : [element('00080005', 'CS', declared)]),
    element('00080016', 'UI', '1.2.840.10008.5.1.4.1.1.2'),
    element('00080018', 'UI', sop),
    element('00080020', 'DA', '20260302'),
    element('00080030', 'TM', '101500'),
    element('00080060', 'CS', 'CT'),
    ...(description === undefined ? [] : [text('0008103E', 'LO', description)]),
    text('00100010', 'PN', name),
    element('00100020', 'LO', '4711'),
    element('00100030', 'DA', '19700101'),
    text('00100040', 'CS', 'Ж'),
    text('00180015', 'CS', 'ГРУДНАЯ КЛЕТКА'),
    element('0020000D', 'UI', study),
    element('0020000E', 'UI', `${study}.1`),
    element('7FE00010', 'OW', new Uint8Array(8)),
  ])
}

const policy = { secondFactor: 'optional', staleAfterHours: 24, transparency: 'off' } as const

const userOf = (...roles: Role[]): SessionUser => ({
  uid: `${holder}#01HZZZZZZZZZZZZZZZZZZZZZZZ` as UserId,
  organization: holder,
  roles,
  enabled: true,
  authTime: now,
  amr: ['pwd'],
  login: 'x',
  name: 'X',
  position: '',
  department: '',
  workstation: '',
  address: '10.0.0.7',
  session: '0',
  expiresAt: now + 3_600_000,
})
const admin = userOf('mo_admin')

async function openWorld(dir: string, device: Partial<Device> = {}) {
  await using stack = new AsyncDisposableStack()
  const clock = () => now
  const records = stack.use(await openRecords(path.join(dir, 'records')))
  const devices = await openDeviceRegister({
    records,
    seeds: [
      {
        id: 'ct-1',
        aeTitle: 'CT1',
        addresses: ['10.0.0.5'],
        modality: 'CT',
        startDate: '2020-01-01',
        ...device,
      },
    ],
  })
  const errors: unknown[] = []
  const encodings = await openTextEncodings({ records, clock, onError: (e) => errors.push(e) })
  const clocks = { learn: () => undefined }
  const reception = createReception({ devices, encodings, clocks })
  const archive = stack.use(await openTestArchive(path.join(dir, 'archive'), { clock, reception }))
  const audited: AuditEntry[] = []
  const audit = { append: async (entry: AuditEntry) => audited.push(entry) }
  const federation = { policy: () => policy }
  const parts = { archive, encodings, audit, federation, self: { oid: holder }, clock }
  const doors = createQualityDoors(parts)
  const owned = stack.move()
  let number = 0
  return {
    archive,
    doors,
    encodings,
    audited,
    errors,
    async send(study: string, texts: Texts, origin: Origin = scanner) {
      const sop = `${study}.1.${++number}`
      return send(archive, objectOf(study, sop, texts), declare(sop), { origin })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function shown(archive: Archive, study: string) {
  const query = {
    level: 'series' as const,
    match: {},
    study: study as StudyUid,
    limit: 10,
    offset: 0,
  }
  const { matches } = await archive.search(searchProof, query)
  const value = (tag: string) => matches[0]?.[tag]?.Value?.[0]
  await using reader = await archive.open(studyProof(study))
  const [header] = await reader.metadata({})
  return {
    name: (value('00100010') as { Alphabetic?: string } | undefined)?.Alphabetic,
    sex: value('00100040'),
    bodyPart: value('00180015'),
    description: value('0008103E'),
    header: (header?.['00100010']?.Value?.[0] as { Alphabetic?: string } | undefined)?.Alphabetic,
  }
}

test('clear text is decoded in lists and headers, code strings too; the bytes stay', async () => {
  await using folder = await temporaryFolder()
  await using world = await openWorld(folder.path)
  for (const [index, encoding] of (
    ['windows-1251', 'iso-8859-5', 'ibm866', 'utf-8'] as const
  ).entries()) {
    const study = `1.2.${index + 1}`
    await world.send(study, { name: 'ЩЕРБАКОВА^АННА', encoding, declared: 'ISO_IR 100' })
    const { name, sex, bodyPart, header } = await shown(world.archive, study)
    assert.deepEqual(
      [name, sex, bodyPart, header],
      ['ЩЕРБАКОВА^АННА', 'F', 'CHEST', 'ЩЕРБАКОВА^АННА'],
    )
    const { text, findings, needsCorrection } = await world.doors.findings(admin, study as StudyUid)
    assert.deepEqual([text?.source, text?.encoding], ['detected', encoding])
    assert.ok((text?.confidence ?? 0) > 0.99)
    assert.equal(needsCorrection, false)
    assert.ok(findings.some(({ code, detail }) => code === 'DQ-07' && detail === 'ГРУДНАЯ КЛЕТКА'))
  }
  const found = await world.archive.search(searchProof, {
    level: 'study',
    match: { '00100010': ['Shcherbakova*'] },
    limit: 10,
    offset: 0,
  })
  assert.equal(found.matches.length, 4)
})

test('what nobody can read is a question; the answer corrects the study and pins the device', async () => {
  await using folder = await temporaryFolder()
  {
    await using world = await openWorld(folder.path)
    const texts = { encoding: 'koi8-r', declared: 'ISO_IR 144', description: 'Лёгкие' } as const
    await world.send('1.2.1', { ...texts, name: 'ИВАНОВ^ПЁТР' })
    await world.send('1.2.2', { ...texts, name: 'ЦОЙ^ЮЛИЯ' })
    assert.match((await shown(world.archive, '1.2.1')).name ?? '', /^<[0-9A-F]+>\^<[0-9A-F]+>$/)
    assert.equal(
      (await shown(world.archive, '1.2.1')).header,
      (await shown(world.archive, '1.2.1')).name,
    )
    const { studies, counts } = await world.doors.attention(admin, { limit: 10 })
    assert.deepEqual(
      studies.map(({ study }) => study),
      ['1.2.1', '1.2.2'],
    )
    assert.deepEqual(counts, { 'DQ-06': 2 })
    const [best] = studies[0]?.doubt?.candidates ?? []
    assert.equal(best?.encoding, 'koi8-r')
    assert.deepEqual(best?.attributes['00100010']?.Value, [{ Alphabetic: 'ИВАНОВ^ПЁТР' }])

    const answer = { encoding: 'koi8-r', pin: true } as const
    const study = '1.2.1' as StudyUid
    await assert.rejects(world.doors.answer(userOf('clinician'), study, answer), {
      code: 'forbidden',
    })
    assert.equal(world.audited.at(-1)?.outcome, 'denied')
    assert.deepEqual(await world.doors.answer(admin, study, answer), { studies: 2 })
    await assert.rejects(world.doors.answer(admin, study, answer), { code: 'conflict' })
    await world.send('1.2.3', { ...texts, name: 'КИМ^ЛИ' })
    assert.equal((await world.doors.attention(admin, { limit: 10 })).studies.length, 0)
  }
  // The answers are records of the log and survive a catalog that is made anew.
  await removeCatalog(path.join(folder.path, 'archive/catalog'))
  await using world = await openWorld(folder.path)
  for (const [study, name] of [
    ['1.2.1', 'ИВАНОВ^ПЁТР'],
    ['1.2.2', 'ЦОЙ^ЮЛИЯ'],
    ['1.2.3', 'КИМ^ЛИ'],
  ] as const) {
    const { description, sex, bodyPart, ...rest } = await shown(world.archive, study)
    assert.deepEqual([rest.name, rest.header, description], [name, name, 'Лёгкие'], study)
    assert.deepEqual([sex, bodyPart], ['F', 'CHEST'])
  }
  assert.equal(world.encodings.get('ct-1')?.source, 'human')
})

test('a device is pinned when enough of its studies agree, and then short names are read', async () => {
  await using folder = await temporaryFolder()
  await using world = await openWorld(folder.path)
  for (let n = 1; n <= agreeingStudies; n++) {
    assert.equal(world.encodings.get('ct-1'), undefined)
    await world.send(`1.2.${n}`, { name: 'Кузнецова^Ольга', encoding: 'windows-1251' })
    await world.send(`1.2.${n}`, { name: 'Кузнецова^Ольга', encoding: 'windows-1251' })
  }
  await world.send('1.2.90', { name: 'Ли^О', encoding: 'windows-1251' })
  assert.equal(world.encodings.get('ct-1')?.encoding, 'windows-1251')
  assert.equal((await shown(world.archive, '1.2.90')).name, 'Ли^О')
  // UTF-8 that is declared and valid is not overruled.
  await world.send('1.2.91', { name: 'Ли^О', encoding: 'utf-8', declared: 'ISO_IR 192' })
  assert.equal((await shown(world.archive, '1.2.91')).name, 'Ли^О')
  assert.deepEqual(world.errors, [])
})

test('the register of devices overrules what was learned', async () => {
  await using folder = await temporaryFolder()
  await using world = await openWorld(folder.path, { textEncoding: 'koi8-r' })
  await world.send('1.2.1', { name: 'Хан^Ю', encoding: 'koi8-r', declared: 'ISO_IR 144' })
  const { name, header } = await shown(world.archive, '1.2.1')
  assert.deepEqual([name, header], ['Хан^Ю', 'Хан^Ю'])
  const { text } = await world.doors.findings(admin, '1.2.1' as StudyUid)
  assert.equal(text?.source, 'pinned')
})

test('later instances help to read the first, and are no other patient', async () => {
  await using folder = await temporaryFolder()
  await using world = await openWorld(folder.path)
  const media: Origin = { kind: 'media', path: 'cd' }
  const bare = (sop: string, description?: string) =>
    Buffer.concat([
      element('00080016', 'UI', '1.2.840.10008.5.1.4.1.1.2'),
      element('00080018', 'UI', sop),
      element('00080060', 'CS', 'CT'),
      ...(description ? [element('0008103E', 'LO', encode('windows-1251', description))] : []),
      element('00100010', 'PN', encode('windows-1251', 'Ли^Ким ')),
      element('00100020', 'LO', '1'),
      element('0020000D', 'UI', '1.2.1'),
      element('0020000E', 'UI', '1.2.1.1'),
    ])
  await send(world.archive, bare('1.2.1.1.1'), declare('1.2.1.1.1'), { origin: media })
  assert.equal((await shown(world.archive, '1.2.1')).name, '<CBE8>^<CAE8EC>')
  const later = bare('1.2.1.1.2', 'Грудная клетка, лёгочное окно ')
  const stored = await send(world.archive, later, declare('1.2.1.1.2'), { origin: media })
  assert.equal(stored.outcome, 'stored')
  const { name, header } = await shown(world.archive, '1.2.1')
  assert.deepEqual([name, header], ['Ли^Ким', 'Ли^Ким'])
  const { doubt } = await world.doors.findings(admin, '1.2.1' as StudyUid)
  assert.equal(doubt, undefined)
})

test('demographics keep nothing out, and what was corrected needs no correction any more', async () => {
  await using folder = await temporaryFolder()
  await using world = await openWorld(folder.path)
  const study = '1.2.1' as StudyUid
  const stored = await world.send(study, { name: '1', encoding: 'utf-8', declared: 'ISO_IR 192' })
  assert.equal(stored.outcome, 'stored')
  const { counts } = await world.doors.attention(userOf('radiographer'), { limit: 10 })
  assert.deepEqual(counts, { 'DQ-03': 1 })
  const { authorizeCorrection } = await import('#protocol/authorize.ts')
  const facts = { user: admin, self: holder, now, policy }
  const decision = authorizeCorrection({ ...facts, act: 'demographics', reason: 'паспорт' })
  assert.ok(decision.ok)
  await world.archive.overlay(decision.grant, {
    kind: 'correct',
    target: { level: 'study', study },
    attributes: [{ tag: '00100010', new: ['Петров^Пётр'] }],
  })
  assert.equal((await world.doors.attention(admin, { limit: 10 })).studies.length, 0)
  const { findings } = await world.doors.findings(admin, study)
  assert.ok(findings.some(({ code, action }) => code === 'DQ-20' && action === 'warn'))
})
