import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { StudyUid } from '#protocol/ids.ts'
import { judgeText, textCoding } from '../dicom/charsets.ts'
import type { WalkedText } from '../dicom/data-set.ts'
import { textElement } from '../dicom/elements.ts'
import type { Finding } from '../dicom/quality.ts'
import type { InstanceRow, StudyRow } from './catalog-rows.ts'
import { emptyStudy } from './catalog-rows.ts'
import { mergeStudy } from './row-merge.ts'
import { needsCorrection } from './study-quality.ts'

const hex = (text: string): string =>
  Buffer.from(
    Array.from(text, (char) => (char >= 'А' ? char.charCodeAt(0) - 0x350 : char.charCodeAt(0))),
  ).toString('hex')

/** An instance as the walker and the rules leave it; its texts are cp1251 that nobody declared. */
function instanceOf(seq: number, texts: Record<string, string>, findings: Finding[]): InstanceRow {
  const raw: WalkedText['raw'] = {}
  for (const [tag, text] of Object.entries(texts)) {
    raw[tag] = { vr: tag === '00100010' ? 'PN' : 'LO', hex: hex(text) }
  }
  const samples = Object.values(raw).map((one) => Buffer.from(one.hex, 'hex'))
  const { candidates: _, ...judgement } = judgeText([], samples)
  const coding = textCoding([], judgement)
  const attributes = Object.fromEntries(
    Object.entries(raw).map(([tag, one]) => [
      tag,
      textElement(one.vr, Buffer.from(one.hex, 'hex'), coding),
    ]),
  )
  const text = { ...judgement, declared: [], raw }
  const row = { study: '1.2', series: '1.2.1', sop: `1.2.1.${seq}`, seq, receivedAt: 1000 + seq }
  return { ...row, attributes, text, findings, bytes: 1 } as unknown as InstanceRow
}

const merged = (rows: readonly InstanceRow[]): StudyRow =>
  rows.reduce((study, row) => mergeStudy(study, row, false), emptyStudy('1.2' as StudyUid))

test('what is known of a study does not depend on the order in which its instances come', () => {
  const text = fc.constantFrom('Ли', 'Ким', 'Кузнецов^Иван', 'Обзорный снимок', 'Шея')
  const finding = fc.record({
    code: fc.constantFrom('DQ-07', 'DQ-12', 'DQ-15'),
    action: fc.constantFrom('warn', 'note'),
    detail: fc.constantFrom('a', 'b'),
  })
  const instance = fc.record({
    texts: fc.dictionary(fc.constantFrom('00100010', '00081030', '0008103E'), text, {
      minKeys: 1,
    }),
    findings: fc.array(finding, { maxLength: 3 }),
  })
  fc.assert(
    fc.property(
      fc.array(instance, { minLength: 1, maxLength: 5 }),
      fc.infiniteStream(fc.nat()),
      (all, dice) => {
        const rows = all.map(({ texts, findings }, at) =>
          instanceOf(at + 1, texts, findings as Finding[]),
        )
        const shuffled = rows
          .map((row) => ({ row, at: dice.next().value ?? 0 }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ row }) => row)
        assert.deepEqual(merged(shuffled), merged(rows))
      },
    ),
    { numRuns: 200, seed: 12 },
  )
})

test('a name that no instance alone could tell is read when there is enough text together', () => {
  const first = instanceOf(1, { '00100010': 'Ли' }, [])
  const second = instanceOf(2, { '00081030': 'Шея' }, [])
  const third = instanceOf(3, { '0008103E': 'Ким' }, [])
  assert.deepEqual(merged([first]).attributes['00100010']?.Value, [{ Alphabetic: '<CBE8>' }])
  assert.ok(needsCorrection(merged([first])))
  const all = merged([third, first, second])
  assert.deepEqual(all.attributes['00100010']?.Value, [{ Alphabetic: 'Ли' }])
  assert.equal(all.quality?.text?.judgement.source, 'detected')
})
