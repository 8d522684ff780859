import { readFileSync } from 'node:fs'
import path from 'node:path'
import { readPart10File } from '../../node/dicom/part10.ts'
import { createWalker } from '../../node/dicom/walker.ts'
import { corpusFiles } from '../corpus.ts'
import { valueOf } from '../scenarios/scenario.ts'

/** A file of the corpus that a peer sends, and by which keys it is found again. */
export type Subject = {
  file: string
  patientId: string
  study: string
  series: string
  sop: string
  sopClass: string
}

export function subjectOf(file: string): Subject {
  const { dataSet, transferSyntax, sopClass } = readPart10File(readFileSync(file))
  const walker = createWalker(transferSyntax)
  walker.write(dataSet)
  const { attributes } = walker.end()
  const value = (tag: string) => valueOf(attributes, tag)
  return {
    file,
    patientId: value('00100020'),
    study: value('0020000D'),
    series: value('0020000E'),
    sop: value('00080018'),
    sopClass,
  }
}

/** Files of the corpus whose names say these things. */
export const corpusPaths = (...words: readonly string[]): string[] =>
  corpusFiles()
    .map(({ file }) => file)
    .filter((file) => words.every((word) => file.includes(word)))

/** The slices of a real head phantom, without the directory of the medium beside them. */
export const slices = (): string[] =>
  corpusPaths('ct-philips-ingenuity-head-phantom', 'S2010').filter((file) =>
    /^I\d+$/.test(path.basename(file)),
  )
