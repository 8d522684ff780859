import { codeOf, ProtocolError, WrongRequest } from '#protocol/errors.ts'
import { dicomwebLimits } from '#protocol/limits.ts'
import type { Declared } from '../archive/archive.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { type BulkPart, jsonDataSet } from '../dicom/transcode/json-data-set.ts'
import { isNative } from '../dicom/transfer-syntax.ts'
import { parseMediaType } from './media-types.ts'
import type { IncomingPart } from './multipart-reader.ts'
import { syntaxOfImage } from './negotiation.ts'
import { textAt } from './rows.ts'
import { type Outcome, outcomeOf } from './store-answer.ts'
import { isOfInstance, type Storing, storeDataSet } from './store-file.ts'

/**
 * Instances as metadata with their bulk values beside (PS3.18 §10.5.1): a part of JSON, then parts that its
 * BulkDataURIs name by their Content-Location. Their order is free, so all are held, up to a limit.
 */
export async function storeMetadata(
  parts: AsyncIterable<IncomingPart>,
  storing: Storing,
): Promise<Outcome[]> {
  const { instances, bulk } = await collected(parts)
  const outcomes: Outcome[] = []
  for (const instance of instances) outcomes.push(await storeInstance(instance, bulk, storing))
  return outcomes
}

type Bulk = ReadonlyMap<string, BulkPart[]>

async function collected(parts: AsyncIterable<IncomingPart>) {
  const instances: unknown[] = []
  const bulk = new Map<string, BulkPart[]>()
  let room: number = dicomwebLimits.storedBulkBytes
  for await (const { headers, body } of parts) {
    const { type, parameters } = parseMediaType(headers.get('content-type') ?? '')
    if (type === 'application/dicom+json' || type === 'application/json') {
      const bytes = await wholePart(body, dicomwebLimits.storedMetadataBytes)
      instances.push(...parsed(bytes))
      continue
    }
    const location = headers.get('content-location') ?? ''
    const bytes = await wholePart(body, room)
    room -= bytes.length
    const syntax = parameters.get('transfer-syntax') ?? syntaxOfImage(type)
    const isCompressed = syntax !== undefined && !isNative(syntax)
    const part = { bytes, ...(isCompressed && { transferSyntax: syntax }) }
    bulk.set(location, [...(bulk.get(location) ?? []), part])
  }
  return { instances, bulk }
}

async function wholePart(body: AsyncIterable<Buffer>, room: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > room) throw new ProtocolError('too_large', 'the bulk values are too large')
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks)
}

function parsed(bytes: Buffer): unknown[] {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return Array.isArray(value) ? (value as unknown[]) : [value]
  } catch (cause) {
    throw new WrongRequest('the metadata is no JSON', { cause })
  }
}

async function storeInstance(json: unknown, bulk: Bulk, storing: Storing): Promise<Outcome> {
  let declared: Declared | undefined
  try {
    const { bytes, transferSyntax } = jsonDataSet(json, (uri) => bulk.get(uri))
    const attributes = json as DicomJson
    declared = {
      sopClass: textAt(attributes, '00080016'),
      sopUid: textAt(attributes, '00080018'),
      transferSyntax,
    }
    return outcomeOf(declared, await storeDataSet(storing, { declared, begin: bytes }))
  } catch (error) {
    const code = codeOf(error)
    if (!isOfInstance(code)) throw error
    return { ok: false, code, ...(declared !== undefined && { declared }) }
  }
}
