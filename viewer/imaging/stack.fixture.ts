import type { Attributes } from '../api/dicom-json.ts'
import { contentOf, type Stack } from './stacks.ts'

/** Metadata of one image, as a node gives it; what a test needs otherwise it says. */
export function imageOf(changes: Attributes = {}): Attributes {
  return {
    '00080016': { Value: ['1.2.840.10008.5.1.4.1.1.2'] },
    '00080018': { Value: ['1.2.1'] },
    '00080060': { Value: ['CT'] },
    '00200011': { Value: [3] },
    '00200013': { Value: [1] },
    '00280002': { Value: [1] },
    '00280004': { Value: ['MONOCHROME2'] },
    '00280010': { Value: [2] },
    '00280011': { Value: [2] },
    '00280100': { Value: [16] },
    '00280101': { Value: [12] },
    '00280103': { Value: [0] },
    ...changes,
  }
}

export const axial = [1, 0, 0, 0, 1, 0]

/** One slice of a stack: its number and where it lies. */
export const sliceAt = (instance: number, z: number, changes: Attributes = {}): Attributes =>
  imageOf({
    '00080018': { Value: [`1.2.${instance}`] },
    '00200013': { Value: [instance] },
    '00200032': { Value: [0, 0, z] },
    '00200037': { Value: axial },
    ...changes,
  })

export function stackOf(...instances: Attributes[]): Stack {
  const [stack] = contentOf('1.9', instances).stacks
  if (stack === undefined) throw new Error('no stack')
  return stack
}

/** A stack of so many axial slices, two by two pixels. */
export const stackOfSlices = (count: number): Stack =>
  stackOf(...Array.from({ length: count }, (_, index) => sliceAt(index + 1, index * 2)))
