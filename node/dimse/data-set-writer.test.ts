import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { encodeDataSet } from './data-set-writer.ts'
import { readIdentifier } from './identifier.ts'
import { encodersFor, textEncoder } from '../dicom/text-encoder.ts'
import { explicitLittle, implicitLittle } from './units.fixture.ts'

const letters = 'АБЯабяЁё№ Ivanov'
const name = fc
  .array(fc.constantFrom(...letters.split('')), { minLength: 1, maxLength: 20 })
  .map((chars) => chars.join('').replaceAll(/^ +| +$/g, ''))
  .filter((text) => text !== '')

test('what is written is read again, in every character set that we write', async () => {
  await fc.assert(
    fc.asyncProperty(
      name,
      name,
      fc.constantFrom(
        ['ISO_IR 192'],
        ['ISO_IR 144'],
        ['', 'ISO 2022 IR 144'],
        ['ISO 2022 IR 6', 'ISO 2022 IR 144'],
        ['ISO 2022 IR 100', 'ISO 2022 IR 144'],
        ['ISO_IR 100'],
        [],
      ),
      fc.boolean(),
      async (family, given, declared, isExplicit) => {
        const dataSet: DicomJson = {
          '00080052': { vr: 'CS', Value: ['STUDY'] },
          '00081030': { vr: 'LO', Value: [family, given] },
          '00081032': {
            vr: 'SQ',
            Value: [{ '00080104': { vr: 'LO', Value: [given] } }],
          },
          '00100010': { vr: 'PN', Value: [{ Alphabetic: `${family}^${given}` }] },
          '0020000D': { vr: 'UI', Value: ['1.2.3'] },
          '00201208': { vr: 'IS', Value: [12] },
          '00280010': { vr: 'US', Value: [512] },
        }
        const bytes = encodeDataSet(dataSet, { isExplicit, encoders: encodersFor(declared) })
        const syntax = isExplicit ? explicitLittle : implicitLittle
        const { keys } = await readIdentifier(bytes, syntax)
        const { '00080005': _, ...rest } = keys
        assert.deepEqual(rest, dataSet)
        assert.equal(bytes.length % 2, 0)
      },
    ),
    { seed: 11, numRuns: 500 },
  )
})

test('what a set cannot express is said in another, and sets that are only read are passed over', () => {
  const written = (text: string, declared: string[]) => {
    const dataSet = { '00100010': { vr: 'PN', Value: [{ Alphabetic: text }] } }
    const encoders = encodersFor(declared)
    const bytes = encodeDataSet(dataSet, { isExplicit: true, encoders })
    return bytes.toString('latin1', 8, 8 + bytes.readUInt16LE(6)).trim()
  }
  assert.equal(written('Müller', ['ISO_IR 100']), 'ISO_IR 100')
  assert.equal(written('Müller', ['ISO_IR 144']), 'ISO_IR 192')
  assert.equal(written('Иванов', ['ISO_IR 100']), 'ISO_IR 144')
  assert.equal(written('Иванов —', []), 'ISO_IR 192')
  assert.equal(written('Ivanov', ['GB18030']), 'ISO_IR 144')
  assert.equal(textEncoder(['ISO 2022 IR 87']), undefined)
  assert.equal(textEncoder(['no such thing']), undefined)
})

test('text that was written before a set was found wanting is written again in the next one', async () => {
  const dataSet: DicomJson = {
    '00080050': { vr: 'SH', Value: ['A-1'] },
    '00081030': { vr: 'LO', Value: ['Müller'] },
    '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Иванов' }] },
    '0020000D': { vr: 'UI', Value: ['1.2.3'] },
  }
  const encoders = encodersFor(['ISO_IR 100'])
  const { keys } = await readIdentifier(
    encodeDataSet(dataSet, { isExplicit: true, encoders }),
    explicitLittle,
  )
  assert.deepEqual(keys, { '00080005': { vr: 'CS', Value: ['ISO_IR 192'] }, ...dataSet })
})

test('any bytes for an identifier are read or refused, nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, explicit) => {
      const syntax = explicit ? explicitLittle : implicitLittle
      await readIdentifier(Buffer.from(bytes), syntax).catch((error: unknown) => {
        assert.match(String((error as { code?: string }).code), /^instance_/)
      })
    }),
    { seed: 5, numRuns: 1000 },
  )
})
