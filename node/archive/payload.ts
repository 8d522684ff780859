import { hash } from 'node:crypto'
import { ProtocolError } from '#protocol/errors.ts'
import type { Sha256 } from '#protocol/ids.ts'
import type { RecordLocation } from './log-record.ts'
import type { ValueLog } from './value-log.ts'

export const digestOf = (payload: Uint8Array): Sha256 => hash('sha256', payload) as Sha256

/** The payload of a record that is small enough to be one buffer, compared with its digest. */
export async function readPayload(
  log: Pick<ValueLog, 'read'>,
  { segment, payload, bytes }: RecordLocation,
  sha256: Sha256,
): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(bytes)
  const read = await log.read(segment, buffer, payload)
  if (read !== bytes || digestOf(buffer) !== sha256) {
    throw new ProtocolError('storage_corrupt', 'a record of the value log was altered')
  }
  return buffer
}
