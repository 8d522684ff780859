import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The folder of real DICOM files that tests may read: `CAMI_CORPUS`, or the folder beside the checkout. */
export const corpusDir = path.resolve(process.env['CAMI_CORPUS'] ?? '../shared/data')

/** For `node:test`: false when the corpus is there, else the reason to skip. */
export const corpusMissing: false | string = existsSync(path.join(corpusDir, 'MANIFEST.tsv'))
  ? false
  : `no DICOM files at ${corpusDir}: set CAMI_CORPUS`

export type CorpusFile = { file: string; [column: string]: string }

/** The rows of MANIFEST.tsv by column name, with the absolute path of each file. */
export function corpusFiles(): CorpusFile[] {
  const [head = '', ...rows] = readFileSync(path.join(corpusDir, 'MANIFEST.tsv'), 'utf8')
    .trimEnd()
    .split('\n')
  const columns = head.split('\t')
  return rows.map((row) => {
    const cells = row.split('\t')
    const entry: CorpusFile = { file: path.join(corpusDir, cells[0] ?? '') }
    columns.forEach((column, index) => (entry[column] = cells[index] ?? ''))
    return entry
  })
}
