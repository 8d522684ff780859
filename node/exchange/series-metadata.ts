import { promisify } from 'node:util'
import { brotliCompress, brotliDecompress, constants } from 'node:zlib'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { SopUid } from '#protocol/ids.ts'
import type { SeriesUid } from '#protocol/ids.ts'
import type { StudyReader } from '../archive/archive.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'

/**
 * What a reader may know of a series before its pixels arrive (docs/decisions/0003): the index attributes of series and
 * instances and the DICOM JSON of each instance, as one brotli stream.
 */
export type SeriesMetadata = {
  attributes: DicomJson
  instances: InstanceMetadata[]
}
export type InstanceMetadata = {
  sop: SopUid
  headerBytes: number
  receivedAt: number
  /** The holder found that its pixels are not as its header says. */
  damaged?: true
  attributes: DicomJson
  metadata: DicomJson
}

const compress = promisify(brotliCompress)
const decompress = promisify(brotliDecompress)
/** Higher ones cost ten times the time for a tenth of the size. */
const quality = 5

const SOP_INSTANCE_UID = '00080018'

export async function compressMetadata(
  reader: StudyReader,
  series: SeriesUid,
  bytesMax: number,
): Promise<Uint8Array> {
  const entry = (await reader.series()).find((one) => one.series === series)
  if (entry === undefined) throw new ProtocolError('not_found', 'no such series')
  const entries = await reader.instances(series)
  const full = new Map<unknown, DicomJson>()
  for (const one of await reader.metadata({ series })) {
    full.set(one[SOP_INSTANCE_UID]?.Value?.[0], one)
  }
  const instances: InstanceMetadata[] = entries.map((one) => ({
    sop: one.sop,
    headerBytes: one.headerBytes,
    receivedAt: one.receivedAt,
    ...(one.damaged && { damaged: one.damaged }),
    attributes: one.attributes,
    metadata: full.get(one.sop) ?? one.attributes,
  }))
  const text = JSON.stringify({ attributes: entry.attributes, instances } satisfies SeriesMetadata)
  const packed = await compress(text, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } })
  if (packed.byteLength > bytesMax) throw new ProtocolError('too_large', 'too much metadata')
  return packed
}

const Attributes = z.record(z.string().regex(/^[0-9A-F]{8}$/), z.looseObject({ vr: z.string() }))
const Metadata = z.strictObject({
  attributes: Attributes,
  instances: z.array(
    z.strictObject({
      sop: SopUid,
      headerBytes: z.int().min(0),
      receivedAt: z.int().min(0),
      damaged: z.literal(true).exactOptional(),
      attributes: Attributes,
      metadata: Attributes,
    }),
  ),
})

/** Reads what a holder sent; the inflated size is bounded, the form is checked. */
export async function parseMetadata(
  packed: Uint8Array,
  inflatedBytesMax: number,
): Promise<SeriesMetadata> {
  try {
    const text = await decompress(packed, { maxOutputLength: inflatedBytesMax })
    const metadata: SeriesMetadata = Metadata.parse(JSON.parse(text.toString('utf8')))
    return metadata
  } catch (cause) {
    throw new ProtocolError('frame_malformed', 'metadata is not as agreed', { cause })
  }
}
