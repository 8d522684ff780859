import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { DicomJson } from './dicom-json.ts'
import { assess, clockReading, doseOf, type Arrival, type DeviceFacts } from './quality.ts'

const receivedAt = Date.parse('2026-03-02T10:20:00+07:00')
const sound: Record<string, [vr: string, value: string | number]> = {
  '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.2'],
  '00080020': ['DA', '20260302'],
  '00080023': ['DA', '20260302'],
  '00080030': ['TM', '101500'],
  '00080033': ['TM', '101600.25'],
  '00080060': ['CS', 'CT'],
  '00080201': ['SH', '+0700'],
  '00100010': ['PN', 'Ким^Ли'],
  '00100020': ['LO', '42'],
  '00100030': ['DA', '19700101'],
  '00100040': ['CS', 'F'],
  '00280010': ['US', 512],
  '00280030': ['DS', 0.5],
}
const ct: DeviceFacts = { modalities: ['CT', 'SR'], isFluorography: false, utcOffsetMinutes: 420 }

/** An object that is sound but for these values; an empty one is absent. */
function arrivalOf(changes: Record<string, string>, more: Partial<Arrival> = {}): Arrival {
  const attributes: DicomJson = {}
  for (const [tag, [vr, value]] of Object.entries(sound)) attributes[tag] = { vr, Value: [value] }
  for (const [tag, value] of Object.entries(changes)) {
    if (value === '') delete attributes[tag]
    else attributes[tag] = { vr: sound[tag]?.[0] ?? 'CS', Value: [value] }
  }
  return { attributes, damaged: false, receivedAt, isLive: true, device: ct, ...more }
}

const found = (changes: Record<string, string>, more?: Partial<Arrival>): string[] =>
  assess(arrivalOf(changes, more)).findings.map(({ code, action }) => `${code} ${action}`)

test('of a sound object there is nothing to say', () => {
  assert.deepEqual(found({}), [])
})

test('each rule says what is odd and whether somebody must correct it', () => {
  for (const [changes, expected] of [
    [{ '00100010': '' }, ['DQ-03 correct']],
    [{ '00100010': 'И' }, ['DQ-03 correct']],
    [{ '00100010': '123^4' }, ['DQ-03 correct']],
    [{ '00100010': 'NoName' }, ['DQ-03 correct']],
    [{ '00100030': '' }, ['DQ-04 warn']],
    [{ '00100030': '20260401' }, ['DQ-04 correct']],
    [{ '00100030': '18990101' }, ['DQ-04 correct']],
    [{ '00100030': '19700231' }, ['DQ-04 correct']],
    [{ '00100040': '' }, ['DQ-05 warn']],
    [{ '00100040': 'X' }, ['DQ-05 warn']],
    [{ '00180015': 'ЧТО-ТО' }, ['DQ-07 warn']],
    [{ '00080020': '19940101' }, ['DQ-12 warn']],
    [{ '00080033': '103100' }, ['DQ-12 warn']],
    [{ '00080023': '20260228' }, ['DQ-12 warn']],
    [{ '00080033': '' }, []],
    [{ '00080201': '' }, ['DQ-13 note']],
    // A clock in UTC, seven hours behind, of a device that does not say so.
    [{ '00080201': '', '00080033': '032000' }, ['DQ-13 warn']],
    [{ '00080060': 'MR' }, ['DQ-14 warn']],
    [{ '00080060': 'SR' }, []],
    [{ '00280030': '' }, ['DQ-15 warn']],
    [{ '00280301': 'YES' }, ['DQ-17 warn']],
    [{ '00080016': '1.2.840.10008.5.1.4.1.1.7' }, ['DQ-17 warn']],
  ] as [Record<string, string>, string[]][]) {
    assert.deepEqual(found(changes), expected, JSON.stringify(changes))
  }
  assert.deepEqual(found({}, { damaged: true }), ['DQ-16 warn'])
})

test('an import is not late, however old it is', () => {
  const old = { '00080020': '20190101', '00080023': '20190101' }
  assert.deepEqual(found(old, { isLive: false }), [])
})

test('what devices write in Russian is mapped for the index, and the finding keeps the original', () => {
  for (const [tag, was, code, shown] of [
    ['00100040', 'М', 'DQ-05', 'M'],
    ['00100040', 'Ж', 'DQ-05', 'F'],
    ['00100040', 'жен.', 'DQ-05', 'F'],
    ['00180015', 'ГРУДНАЯ КЛЕТКА', 'DQ-07', 'CHEST'],
    ['00180015', 'ОГК', 'DQ-07', 'CHEST'],
    ['00180015', 'Пояснично-крестцовый отдел', 'DQ-07', 'LSPINE'],
    ['00200060', 'Л', 'DQ-07', 'L'],
  ] as const) {
    const arrival = arrivalOf({ [tag]: was })
    const { attributes, findings } = assess(arrival)
    assert.deepEqual(attributes[tag]?.Value, [shown], was)
    assert.deepEqual(findings, [{ code, action: 'note', tag, detail: was }])
    assert.deepEqual(arrival.attributes[tag]?.Value, [was])
  }
})

test('a fluorograph sends radiographs whatever it calls them', () => {
  const device = { ...ct, modalities: ['DX', 'CR', 'OT'], isFluorography: true }
  const { attributes, findings } = assess(arrivalOf({ '00080060': 'OT' }, { device }))
  assert.deepEqual(attributes['00080060']?.Value, ['DX'])
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['DQ-14'],
  )
})

test('a dose is said by an attribute or by a dose report', () => {
  const { attributes } = arrivalOf({})
  assert.deepEqual(doseOf(attributes), { isIonising: true, hasDose: false })
  assert.equal(doseOf({ ...attributes, '00189345': { vr: 'FD', Value: [11.2] } }).hasDose, true)
  const report = arrivalOf({ '00080016': '1.2.840.10008.5.1.4.1.1.88.67', '00080060': 'SR' })
  assert.deepEqual(doseOf(report.attributes), { isIonising: false, hasDose: true })
})

test('no values make a rule fail or run long', () => {
  const value = fc.oneof(fc.string({ maxLength: 40 }), fc.double(), fc.constant(null), fc.object())
  const tag = fc.constantFrom(...Object.keys(sound), '00180015', '00200060', '00280301')
  const element = fc.record({ vr: fc.constantFrom('CS', 'DA', 'PN'), Value: fc.array(value) })
  fc.assert(
    fc.property(fc.dictionary(tag, element), fc.boolean(), (attributes, isLive) => {
      const arrival = { attributes: attributes as DicomJson, damaged: false, receivedAt, isLive }
      assert.ok(assess(arrival).findings.length < 40)
    }),
    { numRuns: 200, seed: 5 },
  )
})

test('a clock that is known to be ahead is taken off, and read as it is', () => {
  const late = { '00080020': '20260305', '00080023': '20260305' }
  const known: DeviceFacts = { ...ct, clockAheadMinutes: 3 * 1440 }
  assert.deepEqual(found(late), ['DQ-12 warn', 'DQ-12 warn'])
  assert.deepEqual(found(late, { device: known }), [])
  for (const device of [ct, known]) {
    assert.equal(clockReading(arrivalOf(late, { device })), 3 * 1440 - 4)
  }
  assert.equal(clockReading(arrivalOf({})), 0)
  assert.equal(clockReading(arrivalOf({ '00080030': '', '00080033': '' })), undefined)
})
