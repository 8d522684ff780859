import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tagOf, vrOf } from '../../dicom/dictionary.ts'
import type { DicomJsonElement } from '../../dicom/dicom-json.ts'
import { readKeys } from './keys.ts'
import type { Level } from './models.ts'

const levels: readonly Level[] = ['PATIENT', 'STUDY', 'SERIES', 'IMAGE']

/** Whether a query with this key is answered with FF01. */
function isPartly(level: Level, keyword: string, Value?: DicomJsonElement['Value']): boolean {
  const tag = tagOf(keyword) ?? ''
  const keys = {
    '00080052': { vr: 'CS', Value: [level] },
    [tag]: { vr: vrOf(tag), ...(Value && { Value }) },
  }
  return readKeys(keys, levels).isPartly
}

const item = (keyword: string) => [{ [tagOf(keyword) ?? '']: { vr: 'SH' } }]

test('keys without a value are supported where rows say them', () => {
  const said: Record<Level, string> = {
    PATIENT: 'PatientBirthDate IssuerOfPatientID NumberOfPatientRelatedSeries PatientComments',
    STUDY: 'PatientSex ModalitiesInStudy SOPClassesInStudy NumberOfStudyRelatedSeries StudyID',
    SERIES: 'StudyDate InstitutionName NumberOfSeriesRelatedInstances RequestAttributesSequence',
    IMAGE: 'Modality Rows AvailableTransferSyntaxUID SOPClassesInStudy ReferencedRequestSequence',
  }
  const unsaid: Record<Level, string> = {
    PATIENT: 'StudyDate EthnicGroup NumberOfStudyRelatedSeries StudyInstanceUID Modality',
    STUDY: 'Modality InstitutionName NumberOfPatientRelatedStudies ProcedureCodeSequence',
    SERIES: 'SOPClassUID TubeAngle AvailableTransferSyntaxUID',
    IMAGE: 'TubeAngle ReferencedStudySequence NumberOfPatientRelatedSeries',
  }
  for (const level of levels) {
    const controls = 'SpecificCharacterSet RetrieveAETitle InstanceAvailability'
    for (const keyword of `${said[level]} ${controls}`.split(' ')) {
      assert.equal(isPartly(level, keyword), false, `${level} ${keyword}`)
    }
    for (const keyword of unsaid[level].split(' ')) {
      assert.equal(isPartly(level, keyword), true, `${level} ${keyword}`)
    }
  }
})

test('universal matching asks for no more than an empty key does', () => {
  assert.equal(isPartly('STUDY', 'InstitutionName', ['*']), true)
  assert.equal(isPartly('STUDY', 'StudyDescription', ['*']), false)
})

test('keys with a value are supported where they are matched', () => {
  assert.equal(isPartly('STUDY', 'InstitutionName', ['QMC']), false)
  assert.equal(isPartly('STUDY', 'NumberOfPatientRelatedStudies', ['1']), true)
  assert.equal(isPartly('STUDY', 'InstanceAvailability', ['ONLINE']), true)
  assert.equal(isPartly('STUDY', 'AdmissionID', ['7']), true)
})

test('of a sequence one item may ask, for what is kept of its items', () => {
  const partly = (...Value: ReturnType<typeof item>) =>
    isPartly('SERIES', 'RequestAttributesSequence', Value)
  assert.equal(partly(...item('ScheduledProcedureStepID')), false)
  assert.equal(partly(...item('ScheduledProtocolCodeSequence')), true)
  const two = [...item('ScheduledProcedureStepID'), ...item('ScheduledProcedureStepID')]
  assert.equal(partly(...two), true)
})
