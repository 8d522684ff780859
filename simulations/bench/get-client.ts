import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dimseLimits } from '#protocol/limits.ts'
import { readPart10File } from '../../node/dicom/part10.ts'
import { commandField } from '../../node/dimse/command-set.ts'
import { openAssociation } from '../../node/dimse/scu-association.ts'
import { encodeDataSet, explicitLittleEndian } from '../modality/data-set.ts'
import type { CtSet } from './ct-files.ts'

const studyRootGet = '1.2.840.10008.5.1.4.1.2.2.3'
const ctStorage = '1.2.840.10008.5.1.4.1.1.2'

/** Retrieves the study with C-GET and compares each data set with the file; gives how many there were. */
export async function checkRetrieved(
  { host, port, aeTitle }: { host: string; port: number; aeTitle: string },
  { study, files }: CtSet,
): Promise<number> {
  const expected = new Set<string>()
  for (const file of files) {
    expected.add(hash('sha256', readPart10File(await readFile(file)).dataSet))
  }
  const count = expected.size
  const association = await openAssociation({
    host,
    port,
    calledAe: aeTitle,
    callingAe: 'GETSCU',
    pairs: [
      { abstractSyntax: studyRootGet, transferSyntax: explicitLittleEndian },
      {
        abstractSyntax: ctStorage,
        transferSyntax: explicitLittleEndian,
        roles: { user: false, provider: true },
      },
    ],
    async onRequest(_, dataSet) {
      if (dataSet !== undefined) expected.delete(hash('sha256', dataSet))
      return { status: 0 }
    },
    limits: dimseLimits,
  })
  const identifier = encodeDataSet({
    '00080052': ['CS', 'STUDY'],
    '0020000D': ['UI', study[0] ?? ''],
  })
  const request = { field: commandField.getRequest, sopClass: studyRootGet, sopUid: '' }
  const context = association.contextOf(studyRootGet)
  if (context === undefined) throw new Error('C-GET is not accepted')
  for await (const _ of association.askMany(context.id, request, identifier));
  await association.release()
  if (expected.size > 0) throw new Error(`${expected.size} of ${count} instances are not as sent`)
  return count
}
