import { element } from '../archive/attribute-levels.ts'
import type { DicomJson, DicomJsonElement } from '../dicom/dicom-json.ts'
import type { Referral, ReferralStep } from '../store/referrals.ts'

/** Tags of a scheduled procedure step inside its sequence (PS3.4 table K.6-1). */
export const scheduledSequence = '00400100'
export const stationAeTitle = '00400001'
export const startDate = '00400002'
export const startTime = '00400003'

const priorities = { emergency: 'STAT', urgent: 'HIGH', planned: 'ROUTINE' } as const
const statuses = {
  scheduled: 'SCHEDULED',
  'in-progress': 'STARTED',
  completed: 'COMPLETED',
  discontinued: 'DISCONTINUED',
} as const

/** What a worklist says of one scheduled step (PS3.4 §K.6.1.2.2); elements without a value are known and empty. */
export function worklistRow(referral: Referral, step: ReferralStep): DicomJson {
  const { patient, procedure } = referral
  return {
    '00080050': text('SH', referral.accessionNumber),
    '00080090': name(referral.referringPhysician),
    '00081110': { vr: 'SQ' },
    '00081120': { vr: 'SQ' },
    '00100010': name(patient.name),
    '00100020': text('LO', patient.id),
    '00100021': text('LO', patient.issuer),
    '00100030': text('DA', patient.birthDate),
    '00100040': text('CS', patient.sex),
    '00101030': { vr: 'DS' },
    '00102000': { vr: 'LO' },
    '00102110': { vr: 'LO' },
    '001021C0': { vr: 'US' },
    '0020000D': text('UI', referral.study),
    '00321032': name(referral.referringPhysician),
    '00321060': text('LO', procedure.description || step.description),
    '00321064': { vr: 'SQ' },
    '00380010': { vr: 'LO' },
    '00380050': { vr: 'LO' },
    '00380300': { vr: 'LO' },
    '00380500': { vr: 'LO' },
    [scheduledSequence]: { vr: 'SQ', Value: [stepItem(step)] },
    '00401001': text('SH', procedure.id || referral.accessionNumber),
    '00401003': text('SH', priorities[referral.urgency]),
    '00401004': { vr: 'LO' },
    '00401400': text('LT', referral.question),
    '00403001': { vr: 'LO' },
  }
}

const stepItem = (step: ReferralStep): DicomJson => ({
  '00080060': text('CS', step.modality),
  '00321070': { vr: 'LO' },
  [stationAeTitle]: text('AE', step.stationAe),
  [startDate]: text('DA', step.startDate),
  [startTime]: text('TM', step.startTime),
  '00400006': name(step.performer),
  '00400007': text('LO', step.description || step.modality),
  '00400008': { vr: 'SQ' },
  '00400009': text('SH', step.id),
  '00400010': text('SH', step.stationName),
  '00400011': { vr: 'SH' },
  '00400012': { vr: 'LO' },
  '00400020': text('CS', statuses[step.state]),
  '00400400': { vr: 'LT' },
})

const text = (vr: string, value: string): DicomJsonElement =>
  value === '' ? { vr } : element(vr, value)

const name = (value: string): DicomJsonElement =>
  value === '' ? { vr: 'PN' } : element('PN', { Alphabetic: value })
