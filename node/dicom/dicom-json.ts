/** DICOM JSON model (PS3.18 Annex F): attributes by `GGGGEEEE`. */
export type DicomJson = { [tag: string]: DicomJsonElement }
export type DicomJsonElement = {
  vr: string
  Value?: DicomJsonValue[]
  BulkDataURI?: string
  InlineBinary?: string
}
export type PersonName = { Alphabetic?: string; Ideographic?: string; Phonetic?: string }
export type DicomJsonValue = string | number | PersonName | DicomJson | null
