import { codeOf } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Walker } from '../dicom/data-set.ts'
import type { Log } from '../log.ts'
import type { Change, Filing } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { chunkDigest, digestBytes, digestOfChunks } from './chunk-digests.ts'
import { changeOfFiling, createFiling, filingRecord, identityOf, spanOf } from './filing.ts'
import type { InstanceHeader } from './filing.ts'
import type { ReasonParts } from './intake-rules.ts'
import { quarantineReason } from './intake-rules.ts'
import { chunkOffset, storedBytes, trailerBytes } from './log-record.ts'
import type { RecordLocation } from './log-record.ts'
import type { Replayed } from './log-start.ts'
import { patientOf } from './row-merge.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

const { chunkBytes } = storageLimits

/** One chunk of a payload as it lies in the log, not compared with anything. */
export async function readChunkBytes(
  valueLog: Pick<ValueLog, 'read'>,
  location: RecordLocation,
  index: number,
): Promise<Buffer> {
  const length = Math.min(chunkBytes, location.bytes - index * chunkBytes)
  const chunk = Buffer.allocUnsafeSlow(length)
  const read = await valueLog.read(location.segment, chunk, chunkOffset(location, index))
  return chunk.subarray(0, read)
}

/**
 * A filing whose data set's own record is damaged. The filing says how long it is and what its chunks must be: when
 * only prefix, header or trailer were hit, the data set is still whole. When its bytes are altered it is filed as
 * such, so that it is missed and the same instance sent again heals it.
 */
export async function recoverFiling(
  valueLog: Pick<ValueLog, 'read'>,
  record: Replayed,
): Promise<{ change: Extract<Change, { kind: 'instance' }>; isWhole: boolean }> {
  const filing = record.header as Filing
  const places = [false, true].map((streamed): RecordLocation => {
    const { segment, offset } = record.location
    const payload = offset - trailerBytes - storedBytes({ bytes: filing.bytes, streamed })
    return { segment, offset: payload, payload, bytes: filing.bytes, streamed }
  })
  for (const location of places) {
    const change = changeOfFiling(record, location)
    if (location.payload >= 0 && (await isWhole(valueLog, location, change.chunks))) {
      return { change, isWhole: true }
    }
  }
  const [location = record.location] = places
  return { change: changeOfFiling(record, location), isWhole: false }
}

async function isWhole(
  valueLog: Pick<ValueLog, 'read'>,
  location: RecordLocation,
  digests: Buffer,
): Promise<boolean> {
  for (let i = 0; i * chunkBytes < location.bytes; i++) {
    const chunk = await readChunkBytes(valueLog, location, i)
    const place = i * digestBytes
    if (chunkDigest(chunk).compare(digests, place, place + digestBytes) !== 0) return false
  }
  return true
}

export type SalvageParts = ReasonParts & {
  valueLog: Pick<ValueLog, 'read' | 'append'>
  catalog: Catalog
  sequence: Sequence
  createWalker: (transferSyntax: string, header: InstanceHeader) => Walker
  log: Log
}

/** A data set whose filing is damaged: it is walked again and filed anew, pointing at where it lies. */
export async function refile(parts: SalvageParts, record: Replayed): Promise<void> {
  const { catalog, log } = parts
  const { segment, offset } = record.location
  try {
    const isFiled = await fileAgain(parts, record)
    if (isFiled) log.warn({ segment, offset }, 'filed a data set again whose filing was damaged')
  } catch (error) {
    if (!codeOf(error).startsWith('instance_')) throw error
    log.error({ segment, offset, err: error }, 'a data set without a filing cannot be filed')
  }
  await catalog.apply({ kind: 'none', span: record.span })
}

async function fileAgain(parts: SalvageParts, record: Replayed): Promise<boolean> {
  const { valueLog, catalog, sequence } = parts
  const { location, sha256 } = record
  const header = record.header as InstanceHeader
  const walker = parts.createWalker(header.transferSyntax, header)
  const digests: Buffer[] = []
  for (let i = 0; i * chunkBytes < location.bytes; i++) {
    const chunk = await readChunkBytes(valueLog, location, i)
    walker.write(chunk)
    digests.push(chunkDigest(chunk))
  }
  const chunks = Buffer.concat(digests)
  if (digestOfChunks(chunks).compare(sha256) !== 0) return false
  const walk = walker.end()
  const identity = identityOf(walk, header)
  const digest = sha256.toString('hex')
  const isKnown =
    catalog.sop(identity.sop)?.sha256 === digest ||
    catalog.quarantined(identity.sop, digest) !== undefined
  if (isKnown) return false
  const payload = { bytes: location.bytes, sha256, chunks }
  const patient = patientOf(0, walk.attributes)
  const reason = quarantineReason(parts, { identity, header, sha256: digest, patient })
  const seq = sequence.next()
  try {
    const filing = createFiling({ identity, header, walk, payload, seq, reason, at: location })
    const { attributes } = walk
    const span = spanOf(await valueLog.append([filingRecord(filing, attributes, chunks)]))
    await catalog.apply({ kind: 'instance', filing, attributes, chunks, location, span })
  } finally {
    sequence.settle(seq)
  }
  return true
}
