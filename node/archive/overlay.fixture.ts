import type { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { element, item, sequence } from '../dicom/data-set.fixture.ts'
import { readHeader } from '../dicom/header.ts'
import { createWalker } from '../dicom/walker.ts'
import type { Archive } from './archive.ts'
import { searchProof } from './archive.fixture.ts'
import { textOf } from './attribute-levels.ts'
import { query } from './conformance.fixture.ts'

export const study = '1.2.3' as StudyUid
export const series = '1.2.3.1' as SeriesUid
export const sop = '1.2.3.4' as SopUid

/** Studies as a search shows them. */
export const find = async (archive: Archive, match: Record<string, string[]> = {}) =>
  (await archive.search(searchProof, query({ match }))).matches
export const studiesOf = async (archive: Archive, match: Record<string, string[]> = {}) =>
  (await find(archive, match)).map((row) => textOf(row, '0020000D'))

export function headerOf(bytes: Buffer): Promise<DicomJson> {
  const walker = createWalker('1.2.840.10008.1.2.1')
  walker.write(bytes)
  const data = {
    bytes: bytes.byteLength,
    read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
  }
  return readHeader(data, '1.2.840.10008.1.2.1', walker.end().headerBytes)
}

/** A Key Object Selection that gives a reason for rejecting instances of the study. */
export function rejectionNote(uid: string, code: string, sops: readonly string[]): Buffer {
  const references = sops.map((one) =>
    item(
      Buffer.concat([
        element('00081150', 'UI', '1.2.840.10008.5.1.4.1.1.2'),
        element('00081155', 'UI', one),
      ]),
    ),
  )
  const evidence = Buffer.concat([
    sequence('00081115', [
      item(Buffer.concat([sequence('00081199', references), element('0020000E', 'UI', series)])),
    ]),
    element('0020000D', 'UI', study),
  ])
  const title = Buffer.concat([
    element('00080100', 'SH', code),
    element('00080102', 'SH', 'DCM'),
    element('00080104', 'LO', 'Rejected'),
  ])
  return Buffer.concat([
    element('00080016', 'UI', '1.2.840.10008.5.1.4.1.1.88.59'),
    element('00080018', 'UI', uid),
    element('00080060', 'CS', 'KO'),
    element('00100010', 'PN', 'Иванов^Пётр'),
    element('00100020', 'LO', '42'),
    element('0020000D', 'UI', study),
    element('0020000E', 'UI', '1.2.3.99'),
    sequence('0040A043', [item(title)]),
    sequence('0040A375', [item(evidence)]),
  ])
}
