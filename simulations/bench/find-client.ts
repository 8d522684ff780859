import { dimseLimits } from '#protocol/limits.ts'
import { commandField } from '../../node/dimse/command-set.ts'
import { openAssociation } from '../../node/dimse/scu-association.ts'
import { encodeDataSet, explicitLittleEndian } from '../modality/data-set.ts'

const studyRootFind = '1.2.840.10008.5.1.4.1.2.2.1'

/** What a worklist of a viewer asks for. */
const returned = {
  '00080020': 'DA',
  '00080030': 'TM',
  '00080050': 'SH',
  '00081030': 'LO',
  '00100010': 'PN',
  '00100020': 'LO',
  '00100030': 'DA',
  '00100040': 'CS',
  '0020000D': 'UI',
} as const

export type FindClient = AsyncDisposable & {
  /** Study UIDs that match. */
  find(keys: Record<string, [vr: string, value: string]>): Promise<string[]>
}

/** One association that asks again and again. */
export async function openFindClient(
  dimse: { host: string; port: number; aeTitle: string },
  callingAe: string,
): Promise<FindClient> {
  const association = await openAssociation({
    host: dimse.host,
    port: dimse.port,
    calledAe: dimse.aeTitle,
    callingAe,
    pairs: [{ abstractSyntax: studyRootFind, transferSyntax: explicitLittleEndian }],
    limits: dimseLimits,
  })
  const context = association.contextOf(studyRootFind)
  if (context === undefined) throw new Error('the peer does not answer C-FIND')
  const empty = Object.fromEntries(Object.entries(returned).map(([tag, vr]) => [tag, [vr, '']]))
  return {
    async find(keys) {
      const identifier = encodeDataSet({ ...empty, '00080052': ['CS', 'STUDY'], ...keys })
      const request = { field: commandField.findRequest, sopClass: studyRootFind, sopUid: '' }
      const found: string[] = []
      for await (const { command, dataSet } of association.askMany(
        context.id,
        request,
        identifier,
      )) {
        if (dataSet !== undefined) found.push(studyOf(dataSet))
        else if (command.status !== 0) throw new Error(`C-FIND ended with ${command.status}`)
      }
      return found
    },
    [Symbol.asyncDispose]: () => association.release(),
  }
}

/** (0020,000D) UI. */
const studyElement = Buffer.from('20000d005549', 'hex')

function studyOf(dataSet: Buffer): string {
  const at = dataSet.indexOf(studyElement)
  if (at < 0) return ''
  const length = dataSet.readUInt16LE(at + 6)
  return dataSet.toString('latin1', at + 8, at + 8 + length).replace(/[\0 ]+$/, '')
}
