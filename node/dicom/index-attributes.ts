import { tagNumber, tagOf } from './dictionary.ts'

function tags(text: string): number[] {
  const words = text.trim().split(/\s+/)
  return words.map((keyword) => tagNumber(tagOf(keyword) ?? '0'))
}

/** Attributes kept with every instance: what searches, lists and the index log ask for (PS3.18 §10.6.1.2.3). */
const keywords = `
  SpecificCharacterSet ImageType InstanceCreationDate InstanceCreationTime SOPClassUID SOPInstanceUID
  StudyDate SeriesDate AcquisitionDate ContentDate AcquisitionDateTime
  StudyTime SeriesTime AcquisitionTime ContentTime
  AccessionNumber Modality ModalitiesInStudy PresentationIntentType ConversionType
  Manufacturer InstitutionName ReferringPhysicianName TimezoneOffsetFromUTC StationName
  StudyDescription SeriesDescription InstitutionalDepartmentName PhysiciansOfRecord
  PerformingPhysicianName NameOfPhysiciansReadingStudy OperatorsName ManufacturerModelName
  PatientName PatientID IssuerOfPatientID TypeOfPatientID PatientBirthDate PatientBirthTime PatientSex
  OtherPatientIDs PatientAge PatientSize PatientWeight PatientComments
  BodyPartExamined SliceThickness KVP DeviceSerialNumber SoftwareVersions ProtocolName
  PatientPosition ViewPosition
  StudyInstanceUID SeriesInstanceUID StudyID SeriesNumber AcquisitionNumber InstanceNumber
  ImagePositionPatient ImageOrientationPatient FrameOfReferenceUID Laterality ImageLaterality
  SliceLocation ImageComments
  SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns
  PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation BurnedInAnnotation
  LossyImageCompression WindowCenter WindowWidth RescaleIntercept RescaleSlope
  RequestedProcedureDescription PerformedProcedureStepStartDate PerformedProcedureStepStartTime
  PerformedProcedureStepID PerformedProcedureStepDescription RequestedProcedureID
  DocumentTitle CompletionFlag VerificationFlag MIMETypeOfEncapsulatedDocument ContentLabel
  ContentDescription ContentCreatorName
  CTDIvol ImageAndFluoroscopyAreaDoseProduct EntranceDose EntranceDoseInmGy OrganDose RadionuclideTotalDose
`

export const indexTags: ReadonlySet<number> = new Set(tags(keywords))

/** Longer values are no index keys: they are left out rather than cut. */
export const indexValueBytesMax = 4096

/** What was ordered: of these sequences the items are kept, and of an item what an order is found by (PS3.18 Table 10.6.1-5). */
const ordered = new Set(
  tags(`
    AccessionNumber StudyInstanceUID RequestedProcedureID RequestedProcedureDescription
    ScheduledProcedureStepID ScheduledProcedureStepDescription
    PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest
  `),
)
export const indexSequences: ReadonlyMap<number, ReadonlySet<number>> = new Map(
  tags('RequestAttributesSequence ReferencedRequestSequence').map((tag) => [tag, ordered]),
)

/** Whether values at a path of tags, `GGGGEEEE` or `GGGGEEEE.GGGGEEEE`, are kept. */
export function isIndexPath(path: string): boolean {
  const [tag = '', inner, ...deeper] = path.split('.')
  if (inner === undefined) return indexTags.has(tagNumber(tag))
  return deeper.length === 0 && indexSequences.get(tagNumber(tag))?.has(tagNumber(inner)) === true
}
