import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { edgeLetters } from './geometry.ts'
import { axial, imageOf, sliceAt, stackOf } from './stack.fixture.ts'
import { contentOf } from './stacks.ts'

const numbers = (stack: ReturnType<typeof stackOf>) => stack.slices.map(({ instance }) => instance)

test('slices lie in the order of their places, in whatever order they come', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7], { minLength: 2 }), (order) => {
      const stack = stackOf(...order.map((instance) => sliceAt(instance, instance * 2.5)))
      assert.deepEqual(
        numbers(stack),
        order.toSorted((one, other) => one - other),
      )
    }),
  )
})

test('a stack numbered from feet to head is read in that direction', () => {
  const stack = stackOf(sliceAt(1, 10), sliceAt(3, 0), sliceAt(2, 5))
  assert.deepEqual(numbers(stack), [1, 2, 3])
  assert.deepEqual(
    stack.slices.map(({ location }) => location),
    [10, 5, 0],
  )
})

test('places rule over wrong instance numbers', () => {
  const stack = stackOf(sliceAt(1, 0), sliceAt(9, 2), sliceAt(3, 4), sliceAt(10, 6))
  assert.deepEqual(numbers(stack), [1, 9, 3, 10])
})

test('slices in one place are a series in time, by number', () => {
  const stack = stackOf(sliceAt(2, 0), sliceAt(1, 0), sliceAt(3, 0))
  assert.deepEqual(numbers(stack), [1, 2, 3])
  assert.equal(stack.gaps, undefined)
})

test('an uneven step is noticed, rounding is not', () => {
  const even = stackOf(sliceAt(1, 0), sliceAt(2, 1.25), sliceAt(3, 2.499999))
  assert.deepEqual(even.gaps?.isEven, true)
  const missing = stackOf(sliceAt(1, 0), sliceAt(2, 1.25), sliceAt(3, 3.75), sliceAt(4, 5))
  assert.deepEqual(missing.gaps?.isEven, false)
})

test('sizes and directions that differ are stacks of their own', () => {
  const sagittal = sliceAt(4, 0, { '00200037': { Value: [0, 1, 0, 0, 0, -1] } })
  const larger = sliceAt(5, 0, { '00280010': { Value: [4] } })
  const { stacks } = contentOf('1.9', [sliceAt(1, 0), sliceAt(2, 1), sagittal, larger])
  assert.deepEqual(
    stacks.map(({ slices }) => slices.length),
    [2, 1, 1],
  )
})

test('every frame of a localizer says itself which way the patient lies', () => {
  const sagittal = [0, 1, 0, 0, 0, -1]
  const coronal = [1, 0, 0, 0, 0, -1]
  const stack = stackOf(localizer(axial, sagittal, coronal))
  const letters = stack.slices.map(({ orientation }) => {
    const { left, top } = edgeLetters(orientation ?? [0, 0, 0, 0, 0, 0], {
      flipX: false,
      flipY: false,
    })
    return left + top
  })
  assert.deepEqual(letters, ['RA', 'AH', 'RH'])
  assert.equal(stack.orientation, undefined)
  assert.deepEqual(stackOf(localizer(axial, axial)).orientation, axial)
})

test('frames of different scales have no scale in common', () => {
  const scaled = (...spacings: number[][]) =>
    imageOf({
      '00280008': { Value: [spacings.length] },
      '52009230': {
        Value: spacings.map((Value) => ({ '00289110': { Value: [{ '00280030': { Value } }] } })),
      },
    })
  assert.deepEqual(stackOf(scaled([2, 1], [2, 1])).spacing, { row: 2, column: 1 })
  assert.equal(stackOf(scaled([2, 1], [4, 2])).spacing, undefined)
})

test('pixels that are not square say so without millimetres, and are a stack of their own', () => {
  const wide = { '00280034': { Value: ['1', '2'] } }
  const stack = stackOf(imageOf(wide))
  assert.deepEqual([stack.aspect, stack.spacing], [0.5, undefined])
  assert.equal(stackOf(imageOf({ ...wide, '00280030': { Value: [3, 1] } })).aspect, 3)
  assert.equal(stackOf(imageOf({ '00280034': { Value: ['0', '2'] } })).aspect, 1)
  const scanned = stackOf(imageOf({ ...wide, '00182010': { Value: [2, 1] } }))
  assert.deepEqual([scanned.aspect, scanned.spacing], [2, undefined])
  const other = imageOf({ '00080018': { Value: ['1.2.2'] } })
  assert.equal(contentOf('1.9', [imageOf(wide), other]).stacks.length, 2)
})

test('a dose is read with the factor of its grid, in gray', () => {
  const dose = { '00080060': { Value: ['RTDOSE'] }, '3004000E': { Value: ['0.0005'] } }
  const stack = stackOf(imageOf({ ...dose, '30040002': { Value: ['GY'] } }))
  assert.equal(stack.slices[0]?.modality.rescale.slope, 0.0005)
  assert.equal(stack.unit, 'Gy')
  assert.equal(stackOf(imageOf({ ...dose, '30040002': { Value: ['RELATIVE'] } })).unit, '')
})

test('planes of a dose grid lie at their offsets, and are no film', () => {
  const gridOf = (offsets: number[], changes = {}) =>
    stackOf(
      sliceAt(1, 7, {
        '00080060': { Value: ['RTDOSE'] },
        '00280008': { Value: [3] },
        '3004000C': { Value: offsets },
        ...changes,
      }),
    )
  const places = (stack: ReturnType<typeof stackOf>) => stack.slices.map(({ location }) => location)
  const grid = gridOf([0, 2.5, 5])
  assert.deepEqual([places(grid), grid.gaps], [[7, 9.5, 12], { spacing: 2.5, isEven: true }])
  assert.deepEqual([grid.isCine, grid.frameRate], [false, undefined])
  // Old ones name the place itself (PS3.3 C.8.8.3.2 b).
  assert.deepEqual(places(gridOf([7, 4, 1])), [7, 4, 1])
  // Offsets go along the normal, which may point to the feet.
  const prone = { '00200037': { Value: [-1, 0, 0, 0, 1, 0] } }
  assert.deepEqual(
    gridOf([0, 2, 4], prone).slices.map(({ position }) => position?.[2]),
    [7, 5, 3],
  )
  for (const odd of [
    [0, 2.5],
    [3, 4, 5],
  ]) {
    const run = gridOf(odd)
    assert.deepEqual([places(run), run.isCine], [[undefined, undefined, undefined], true])
  }
})

test('objects without an image are named and not shown', () => {
  const report = {
    '00080016': { Value: ['1.2.840.10008.5.1.4.1.1.88.33'] },
    '00080018': { Value: ['1.2.7'] },
  }
  const { stacks, others } = contentOf('1.9', [report, imageOf()])
  assert.equal(stacks.length, 1)
  assert.deepEqual(others, [{ key: '1.9/1.2.7', series: '1.9', kind: 'report', title: '' }])
})

test('frames of one instance are a run with a rate', () => {
  const stack = stackOf(imageOf({ '00280008': { Value: ['5'] }, '00181063': { Value: ['40'] } }))
  assert.equal(stack.isCine, true)
  assert.equal(stack.frameRate, 25)
  assert.deepEqual(
    stack.slices.map(({ frame }) => frame),
    [1, 2, 3, 4, 5],
  )
})

test('two runs in one series are two stacks', () => {
  const run = (sop: string) => imageOf({ '00080018': { Value: [sop] }, '00280008': { Value: [2] } })
  assert.equal(contentOf('1.9', [run('1.2.1'), run('1.2.2')]).stacks.length, 2)
})

test('an enhanced image takes places, rescale and windows from its frames', () => {
  const frame = (z: number, slope: number) => ({
    '00209113': { Value: [{ '00200032': { Value: [0, 0, z] } }] },
    '00289145': { Value: [{ '00281053': { Value: [slope] }, '00281052': { Value: [-5] } }] },
    '00289132': { Value: [{ '00281050': { Value: [40] }, '00281051': { Value: [80] } }] },
  })
  const stack = stackOf(
    imageOf({
      '00280008': { Value: [3] },
      '52009229': {
        Value: [
          {
            '00209116': { Value: [{ '00200037': { Value: axial } }] },
            '00289110': { Value: [{ '00280030': { Value: [0.5, 0.25] } }] },
          },
        ],
      },
      '52009230': { Value: [frame(0, 1), frame(-2, 2), frame(-4, 3)] },
    }),
  )
  assert.deepEqual(
    stack.slices.map(({ location, modality }) => [location, modality.rescale.slope]),
    [
      [0, 1],
      [-2, 2],
      [-4, 3],
    ],
  )
  assert.deepEqual(stack.spacing, { row: 0.5, column: 0.25 })
  assert.deepEqual(stack.slices[0]?.windows, [{ center: 40, width: 80, name: '' }])
  assert.deepEqual([stack.gaps?.spacing, stack.isCine], [2, false])
})

test('an enhanced image of one frame has its direction, scale and window, too', () => {
  const shared = {
    '00209116': { Value: [{ '00200037': { Value: [1, 0, 0, 0, 1, 0] } }] },
    '00289110': { Value: [{ '00280030': { Value: [0.5, 0.5] } }] },
    '00289132': { Value: [{ '00281050': { Value: [40] }, '00281051': { Value: [80] } }] },
  }
  const stack = stackOf(imageOf({ '00280008': { Value: [1] }, '52009229': { Value: [shared] } }))
  assert.ok(stack.orientation)
  assert.deepEqual(stack.spacing, { row: 0.5, column: 0.5 })
  assert.deepEqual([stack.isCine, stack.slices[0]?.windows[0]?.center], [false, 40])
})

test('a frame is shown through the VOI table of its functional group', () => {
  const table = (last: number) => ({
    '00283010': {
      Value: [{ '00283002': { Value: [2, 0, 8] }, '00283006': { Value: [0, last] } }],
    },
  })
  const voi = (...Value: unknown[]) => ({ '00289132': { Value } })
  const stack = stackOf(
    imageOf({
      '00280008': { Value: [3] },
      '00281050': { Value: [40] },
      '00281051': { Value: [80] },
      '52009229': { Value: [voi(table(100))] },
      '52009230': { Value: [voi(table(255)), voi({}), {}] },
    }),
  )
  const [own, empty, shared] = stack.slices
  assert.deepEqual([own?.windows, own?.tables[0]?.values], [[], [0, 255]])
  assert.deepEqual([empty?.windows, empty?.tables[0]?.values], [[], [0, 100]])
  // A table may have 65,536 entries and an object thousands of frames.
  assert.equal(shared?.tables, empty?.tables)
})

test('an image that says it has no frames is shown all the same', () => {
  assert.equal(stackOf(imageOf({ '00280008': { Value: [0] } })).slices.length, 1)
})

test('an image with nothing but its size is still a stack', () => {
  const stack = stackOf(imageOf())
  assert.equal(stack.slices.length, 1)
  assert.equal(stack.spacing, undefined)
  assert.equal(stack.orientation, undefined)
  assert.equal(stack.unit, 'HU')
})

test('a projection is known by its side and view', () => {
  const stack = stackOf(
    imageOf({
      '00080060': { Value: ['MG'] },
      '00200062': { Value: ['L'] },
      '00185101': { Value: ['MLO'] },
    }),
  )
  assert.equal(stack.description, 'L MLO')
})

/** Frames in these directions, as functional groups say them (PS3.3 C.7.6.16.2.4). */
const localizer = (...directions: number[][]) =>
  imageOf({
    '00280008': { Value: [directions.length] },
    '52009230': {
      Value: directions.map((Value) => ({ '00209116': { Value: [{ '00200037': { Value } }] } })),
    },
  })
