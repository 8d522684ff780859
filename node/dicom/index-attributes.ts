import { tagNumber, tagOf } from './dictionary.ts'

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

export const indexTags: ReadonlySet<number> = new Set(
  keywords
    .trim()
    .split(/\s+/)
    .map((keyword) => tagNumber(tagOf(keyword) ?? '0')),
)

/** Longer values are no index keys: they are left out rather than cut. */
export const indexValueBytesMax = 4096
