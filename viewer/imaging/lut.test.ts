import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { greyTable, pixelOf, rescaleOf, tablesOf, tableValues, windowsOf } from './lut.ts'
import { brightness, type Grey, greyLevel, lookUp, modalityValue } from '#pixels/grey.ts'

const plain = { rescale: { slope: 1, intercept: 0 } }
const linear = (center: number, width: number) =>
  ({ kind: 'window', window: { center, width }, shape: 'LINEAR' }) as const

/** The rule as PS3.3 C.11.2.1.2.1 writes it. */
function standard(value: number, center: number, width: number): number {
  if (value <= center - 0.5 - (width - 1) / 2) return 0
  if (value > center - 0.5 + (width - 1) / 2) return 255
  return ((value - (center - 0.5)) / (width - 1) + 0.5) * 255
}

test('a linear window follows the formula of the standard', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -2000, max: 4000 }),
      fc.integer({ min: -1000, max: 3000 }),
      fc.integer({ min: 2, max: 4000 }),
      (value, center, width) => {
        const level = Math.min(Math.max(brightness(linear(center, width), value), 0), 255)
        assert.ok(Math.abs(level - standard(value, center, width)) < 1e-9)
      },
    ),
  )
})

test('a window of width 1 is a threshold', () => {
  const grey: Grey = { modality: plain, voi: linear(100, 1), inverted: false }
  assert.deepEqual([greyLevel(grey, 99), greyLevel(grey, 100)], [0, 255])
})

test('exact and sigmoid windows have their own shapes', () => {
  const window = { center: 50, width: 100 }
  const exact = { kind: 'window', window, shape: 'LINEAR_EXACT' } as const
  assert.equal(brightness(exact, 0), 0)
  assert.equal(brightness(exact, 100), 255)
  const sigmoid = { kind: 'window', window, shape: 'SIGMOID' } as const
  assert.equal(brightness(sigmoid, 50), 127.5)
  assert.ok(brightness(sigmoid, 1000) < 255.001)
})

test('the table has what the arithmetic says for every 16-bit pattern', () => {
  const modality = { rescale: { slope: 2, intercept: -1024 } }
  const grey: Grey = { modality, voi: linear(40, 400), inverted: false }
  const table = greyTable(grey, true)
  for (let pattern = 0; pattern < 65_536; pattern += 7) {
    const stored = pattern > 32_767 ? pattern - 65_536 : pattern
    assert.equal(table[pattern], pixelOf(greyLevel(grey, stored)))
  }
})

test('inverting turns a level into its complement', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4095 }), (stored) => {
      const grey = { modality: plain, voi: linear(1000, 2000) }
      const sum =
        greyLevel({ ...grey, inverted: false }, stored) +
        greyLevel({ ...grey, inverted: true }, stored)
      assert.equal(sum, 255)
    }),
  )
})

test('values beyond a look-up table take its nearest entry', () => {
  const table = { name: '', first: -2, bits: 8, values: [10, 20, 30] }
  assert.deepEqual(
    [-100, -2, -1, 0, 100].map((value) => lookUp(table, value)),
    [10, 10, 20, 30, 30],
  )
  assert.equal(modalityValue({ ...plain, table }, -1), 20)
})

test('tables are read from words, bytes and numbers, signed starts included', () => {
  const sequence = (data: object) => ({
    '00283010': { Value: [{ '00283002': { Value: [3, 65_535, 16] }, ...data }] },
  })
  const words = { InlineBinary: Buffer.from([1, 0, 2, 0, 3, 0]).toString('base64') }
  const bytes = { InlineBinary: Buffer.from([1, 2, 3]).toString('base64') }
  for (const data of [words, bytes, { Value: [1, 2, 3] }]) {
    const [table] = tablesOf(sequence({ '00283006': data }), '00283010', true)
    assert.equal(table?.first, -1)
    assert.deepEqual(Array.from(table?.values ?? []), [1, 2, 3])
  }
  assert.deepEqual(tablesOf(sequence({}), '00283010', true), [])
  assert.equal(tableValues({ '00283006': { InlineBinary: 'AQ==' } }, '00283006', 3), undefined)
})

test('windows without a width, or with none that is positive, are left out', () => {
  const attributes = {
    '00281050': { Value: [40, 50, 60] },
    '00281051': { Value: ['400', 0] },
    '00281055': { Value: ['Abdomen'] },
  }
  assert.deepEqual(windowsOf(attributes), [{ center: 40, width: 400, name: 'Abdomen' }])
})

test('a slope of zero means no rescale', () => {
  assert.deepEqual(rescaleOf({ '00281053': { Value: [0] }, '00281052': { Value: [-5] } }), {
    slope: 1,
    intercept: -5,
  })
  assert.equal(rescaleOf({}), undefined)
})
