import type { DicomJson } from '../dicom/dicom-json.ts'
import { encodersFor } from '../dicom/text-encoder.ts'
import { commandField } from './command-set.ts'
import { connectAs } from './commitment.fixture.ts'
import { encodeDataSet } from './data-set-writer.ts'
import { performedStepClass } from './performed-step.ts'
import { explicitLittle } from './units.fixture.ts'

/** A modality that reports. */
export async function openModality(port: number, { ae = 'STORESCU', calledAe = 'CAMI' } = {}) {
  const association = await connectAs(ae)({ host: '127.0.0.1', port, calledAe }, [
    { abstractSyntax: performedStepClass, transferSyntax: explicitLittle },
  ])
  const { id = 0 } = association.contextOf(performedStepClass) ?? {}
  const say = (field: number) => async (sopUid: string, json: DicomJson) => {
    const data = encodeDataSet(json, { isExplicit: true, encoders: encodersFor([]) })
    return (await association.ask(id, { field, sopClass: performedStepClass, sopUid }, data))
      .command
  }
  return {
    create: say(commandField.createRequest),
    set: say(commandField.attributesSetRequest),
    [Symbol.asyncDispose]: () => association.release(),
  }
}

export const value = (vr: string, ...Value: string[]) => ({ vr, Value })
export const state = (text: string) => ({ '00400252': value('CS', text) })
export const answering = (item: DicomJson) => ({ '00400270': { vr: 'SQ', Value: [item] } })
/** What a step must say when it begins, and when it ends (PS3.4 table F.7.2-1, type 1). */
export const beginning = {
  ...state('IN PROGRESS'),
  ...answering({ '0020000D': value('UI', '1.2.3') }),
  '00080060': value('CS', 'CT'),
  '00400241': value('AE', 'STORESCU'),
  '00400244': value('DA', '20261201'),
  '00400245': value('TM', '101500'),
  '00400253': value('SH', 'P1'),
}
export const ending = (text: string) => ({
  ...state(text),
  '00400250': value('DA', '20261201'),
  '00400251': value('TM', '103000'),
})
export const made = (...uids: string[]) => ({
  '00400340': {
    vr: 'SQ',
    Value: [
      {
        '0020000E': value('UI', '1.2.3.1'),
        '00081140': { vr: 'SQ', Value: uids.map((uid) => ({ '00081155': value('UI', uid) })) },
      },
    ],
  },
})
