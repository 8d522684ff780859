import { signal } from '@preact/signals'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createReader, type Reader } from '../imaging/reader.ts'
import { imageOf, stackOf, stackOfSlices } from '../imaging/stack.fixture.ts'
import { openStack } from '../imaging/stack-session.ts'
import type { Stack } from '../imaging/stacks.ts'
import type { StudySession } from '../imaging/study-session.ts'
import { createStudyView } from './study-view.ts'

function setUp(stack: Stack = stackOfSlices(30)) {
  const reader = createReader(
    openStack(stack, {
      isPermanent: () => true,
      clock: () => 0,
      later: () => () => undefined,
      fetchFrame: () => new Promise(() => undefined),
      decoders: {
        decode: () => new Promise(() => undefined),
        [Symbol.dispose]: () => undefined,
      },
    }),
  )
  const turned: number[] = []
  const active = signal<Reader | undefined>(reader)
  const session: Pick<StudySession, 'active' | 'turn'> = { active, turn: (by) => turned.push(by) }
  let left = 0
  const view = createStudyView(session as StudySession, () => void (left += 1))
  const seen: unknown[] = []
  view.camera.value = {
    zoomBy: (factor, at) => seen.push(['zoom', factor, at.x]),
    panBy: ({ x, y }) => seen.push(['pan', x, y]),
    fit: () => seen.push('fit'),
    actualSize: () => seen.push('actual'),
    middle: () => ({ x: 50, y: 40 }),
  }
  return { view, reader, active, turned, seen, left: () => left }
}

test('slices are stepped through, by one, by ten and to the ends', () => {
  const { view, reader } = setUp()
  const at = reader.slice.value
  view.run('sliceNext')
  assert.equal(reader.slice.value, at + 1)
  view.run('slicePreviousTen')
  assert.equal(reader.slice.value, at - 9)
  view.run('sliceLast')
  assert.equal(reader.slice.value, 29)
  view.run('sliceFirst')
  assert.equal(reader.slice.value, 0)
})

test('presets in HU are for CT only', () => {
  const ct = setUp()
  ct.view.run('presetLungs')
  assert.deepEqual(ct.reader.window.value, { center: -600, width: 1500 })
  const mr = setUp(stackOf(imageOf({ '00080060': { Value: ['MR'] } })))
  mr.view.run('presetLungs')
  assert.deepEqual(mr.reader.choice.value, { kind: 'auto' })
})

test('the window is changed with the keyboard and put back', () => {
  const { view, reader } = setUp()
  const { width, center } = reader.window.value
  view.run('windowWider')
  view.run('windowUp')
  assert.ok(reader.window.value.width > width)
  assert.ok(reader.window.value.center < center)
  view.run('windowFile')
  assert.equal(reader.window.value.width, width)
})

test('zoom, pan and fit go to the camera, around the middle', () => {
  const { view, seen } = setUp()
  view.run('zoomIn')
  view.run('zoomOut')
  view.run('panLeft')
  view.run('actual')
  view.run('fit')
  assert.deepEqual(seen, [['zoom', 1.25, 50], ['zoom', 0.8, 50], ['pan', -48, 0], 'actual', 'fit'])
})

test('reset puts back both the window and the place', () => {
  const { view, reader, seen } = setUp()
  view.run('invert')
  view.run('reset')
  assert.equal(reader.inverted.value, false)
  assert.deepEqual(seen, ['fit'])
})

test('a run plays and pauses; a single image does not play', () => {
  const { view, reader } = setUp()
  view.run('play')
  assert.equal(reader.isPlaying.value, true)
  view.run('play')
  assert.equal(reader.isPlaying.value, false)
  const single = setUp(stackOfSlices(1))
  single.view.run('play')
  assert.equal(single.reader.isPlaying.value, false)
})

test('the rate of a run stays within what a screen can show', () => {
  const { view, reader } = setUp()
  for (let step = 0; step < 100; step++) view.run('faster')
  assert.equal(reader.frameRate.value, 60)
  for (let step = 0; step < 100; step++) view.run('slower')
  assert.equal(reader.frameRate.value, 1)
})

test('series, tools, help and the way back need no image on the screen', () => {
  const { view, active, turned, left } = setUp()
  active.value = undefined
  view.camera.value = undefined
  view.run('seriesNext')
  view.run('seriesPrevious')
  assert.deepEqual(turned, [1, -1])
  view.run('modePan')
  assert.equal(view.mode.value, 'pan')
  view.run('help')
  assert.equal(view.isHelpOpen.value, true)
  view.run('rail')
  assert.equal(view.isRailOpen.value, false)
  view.run('back')
  assert.equal(left(), 1)
  view.run('invert')
})
