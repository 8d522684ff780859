import { test } from 'node:test'
import assert from 'node:assert/strict'
import { kindOf } from './object-kind.ts'
import { imageOf } from './stack.fixture.ts'

const ofClass = (suffix: string) =>
  kindOf({ '00080016': { Value: [`1.2.840.10008.5.1.4.1.1.${suffix}`] } })

test('objects are known by their class', () => {
  assert.equal(ofClass('88.59'), 'keyObjects')
  assert.equal(ofClass('88.33'), 'report')
  assert.equal(ofClass('104.1'), 'pdf')
  assert.equal(ofClass('104.2'), 'document')
  assert.equal(ofClass('11.1'), 'presentation')
  assert.equal(ofClass('9.1.1'), 'waveform')
  assert.equal(ofClass('481.3'), 'structures')
  assert.equal(ofClass('4.2'), 'spectroscopy')
  assert.equal(ofClass('66'), 'other')
})

test('what has rows, columns and bits is an image, unless it is video', () => {
  assert.equal(kindOf(imageOf()), 'image')
  assert.equal(kindOf(imageOf({ '00280010': { Value: [0] } })), 'other')
  const video = { '00083002': { Value: ['1.2.840.10008.1.2.4.102'] } }
  assert.equal(kindOf(imageOf(video)), 'video')
})
