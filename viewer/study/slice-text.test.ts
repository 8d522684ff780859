import { test } from 'node:test'
import assert from 'node:assert/strict'
import { signal } from '@preact/signals'
import { createTranslation } from '../i18n/i18n.ts'
import { imageOf, sliceAt, stackOf } from '../imaging/stack.fixture.ts'
import { choiceOn } from '../imaging/windowing.ts'
import {
  failureText,
  fileWindowName,
  probeText,
  seriesTitle,
  sliceNoun,
  windowName,
} from './slice-text.ts'

const ru = createTranslation('ru')

test('a series without a description is known by its number', () => {
  const stack = stackOf(imageOf())
  assert.equal(seriesTitle(stack, ru), 'Серия 3')
  assert.equal(seriesTitle({ ...stack, description: 'Lung 1.0' }, ru), 'Lung 1.0')
})

test('windows of the file have their names, or numbers where there are several', () => {
  const windows = (center: number[], names: string[]) =>
    stackOf(
      imageOf({
        '00281050': { Value: center },
        '00281051': { Value: center.map(() => 100) },
        '00281055': { Value: names },
      }),
    )
  const name = (stack: ReturnType<typeof stackOf>, index: number) =>
    fileWindowName(stack, { slice: 0, index }, ru)
  assert.equal(name(windows([1, 2], ['LUNG']), 0), 'LUNG')
  assert.equal(name(windows([1, 2], ['LUNG']), 1), 'Из файла 2')
  assert.equal(name(windows([1], []), 0), 'Из файла')
})

test('a slice without the table that was chosen is named by what it is shown through', () => {
  const tables = {
    Value: [
      {
        '00283002': { Value: [2, 0, 8] },
        '00283003': { Value: ['BONE'] },
        '00283006': { Value: [0, 200] },
      },
    ],
  }
  const stack = stackOf(sliceAt(1, 0, { '00283010': tables }), sliceAt(2, 1))
  const name = (slice: number) => {
    const choiceShown = signal(choiceOn(stack, slice, { kind: 'table', index: 0 }))
    return windowName({ choiceShown, session: { stack }, slice: signal(slice) }, ru)
  }
  assert.deepEqual([name(0), name(1)], ['BONE', ru.t('presetAuto')])
})

test('a stack has slices, a run frames, loose images images', () => {
  assert.equal(sliceNoun(stackOf(sliceAt(1, 0), sliceAt(2, 1))), 'slice')
  assert.equal(sliceNoun(stackOf(imageOf({ '00280008': { Value: [5] } }))), 'frame')
  assert.equal(sliceNoun(stackOf(imageOf())), 'image')
})

test('the value under the pointer has its unit', () => {
  const stack = stackOf(imageOf())
  assert.equal(probeText({ column: 3, row: 5, values: [-990.5] }, stack, ru), '3, 5 · -990,5 HU')
  const colour = { ...stack, unit: '' }
  assert.equal(probeText({ column: 0, row: 0, values: [1, 2, 3] }, colour, ru), '0, 0 · 1 2 3')
})

test('a slice that is not shown says why', () => {
  assert.match(
    failureText(new Error('unsupported transfer syntax 1.2'), 5, ru),
    /Срез 5: такой способ/,
  )
  assert.match(failureText(new Error('frame is cut'), 5, ru), /неполным/)
  assert.match(failureText(new Error('the colour table is missing'), 5, ru), /таблицы цветов/)
  assert.match(failureText(undefined, 5, ru), /не загрузился/)
})
