import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import type { Attachment } from '#protocol/form.ts'
import { Sha256 } from '#protocol/ids.ts'
import { formLimits } from '#protocol/limits.ts'
import type { Seal } from '#protocol/secrets/seal.ts'
import { createTurns } from '#protocol/turns.ts'
import { FormRefused } from './office.ts'

type Body = AsyncIterable<Uint8Array> | Iterable<Uint8Array>
type Received = Pick<Attachment, 'sha256' | 'type' | 'bytes'>

/** Scans of signed papers and issued notices, by the SHA-256 of their content; sealed on the disk. */
export type Attachments = {
  /**
   * Reads a body of bounded size; its type is what its first bytes say. `take` writes down whose it is: what is refused
   * there does not stay.
   */
  put<T>(body: Body, take: (received: Received) => Promise<T>): Promise<T>
  get(sha256: Sha256): Promise<Buffer>
}

export async function openAttachments(dir: string, seal: Seal): Promise<Attachments> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await removeParts(dir)
  // Whether one was there before must not change until it is taken: two forms may get the same scan.
  const inTurn = createTurns()
  return {
    async put(body, take) {
      const part = path.join(dir, `${randomUUID()}${partEnd}`)
      try {
        const received = await receive(part, seal, body)
        return await inTurn(() =>
          place(dir, { part, sha256: received.sha256 }, () => take(received)),
        )
      } finally {
        await rm(part, { force: true })
      }
    },
    async get(sha256) {
      const sealed = await readFile(path.join(dir, Sha256.parse(sha256))).catch(
        (cause: unknown) => {
          throw new ProtocolError('not_found', 'no such attachment', { cause })
        },
      )
      const content = seal.open(sealedAs, sealed)
      const digest = createHash('sha256').update(content).digest('hex')
      if (digest === String(sha256)) return content
      throw new ProtocolError('storage_corrupt', 'an attachment is not what it was')
    },
  }
}

/** What a stop has cut off. */
async function removeParts(dir: string): Promise<void> {
  const parts = (await readdir(dir)).filter((name) => name.endsWith(partEnd))
  for (const name of parts) await rm(path.join(dir, name))
}

/** Sealed as it comes. */
async function receive(part: string, seal: Seal, body: Body): Promise<Received> {
  const handle = await open(part, 'wx', 0o600)
  const hash = createHash('sha256')
  const sealing = seal.stream(sealedAs)
  let bytes = 0
  let begin = Buffer.alloc(0)
  let type: Attachment['type'] | undefined
  try {
    await handle.write(sealing.start)
    for await (const chunk of body) {
      bytes += chunk.byteLength
      if (bytes > formLimits.attachmentBytes) {
        throw new ProtocolError('too_large', 'an attachment may have 20 MB')
      }
      if (type === undefined) {
        begin = Buffer.concat([begin, chunk])
        type = typeOf(begin)
        if (type === undefined && begin.byteLength >= magicBytes) break
      }
      hash.update(chunk)
      await handle.write(sealing.update(chunk))
    }
    if (type === undefined) {
      throw new ProtocolError('unsupported', 'neither a PDF, nor a JPEG, nor a detached signature')
    }
    await handle.write(sealing.end())
    await handle.sync()
  } finally {
    await handle.close()
  }
  return { sha256: hash.digest('hex') as Sha256, type, bytes }
}

/** On the disk whole under its digest before anybody says that it is theirs, or not there. */
async function place<T>(
  dir: string,
  { part, sha256 }: { part: string; sha256: Sha256 },
  take: () => Promise<T>,
): Promise<T> {
  const file = path.join(dir, sha256)
  const isNew = !existsSync(file)
  await rename(part, file)
  const folder = await open(dir, 'r')
  await folder.sync().finally(() => folder.close())
  try {
    return await take()
  } catch (error) {
    // After anything else that failed a form may name it all the same.
    if (isNew && error instanceof FormRefused) await rm(file)
    throw error
  }
}

const partEnd = '.part'
const sealedAs = 'attachment'
/** What any of the types is known by. */
const magicBytes = 24

function typeOf(content: Buffer): Attachment['type'] | undefined {
  if (content.subarray(0, 5).equals(Buffer.from('%PDF-'))) return 'application/pdf'
  if (content[0] === 0xff && content[1] === 0xd8 && content[2] === 0xff) return 'image/jpeg'
  // DER of a CMS ContentInfo: a sequence of some length that begins with the OID of signedData.
  const oid = Buffer.from('06092a864886f70d010702', 'hex')
  const isCms = content[0] === 0x30 && content.subarray(0, 24).includes(oid)
  return isCms ? 'application/pkcs7-signature' : undefined
}
