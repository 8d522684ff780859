import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import type { Attachment } from '#protocol/form.ts'
import { Sha256 } from '#protocol/ids.ts'
import { formLimits } from '#protocol/limits.ts'
import type { Seal } from '#protocol/secrets/seal.ts'

/** Scans of signed papers and issued notices, by the SHA-256 of their content; sealed on the disk. */
export type Attachments = {
  /** Reads a body of bounded size; its type is what its first bytes say. */
  put(
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<Pick<Attachment, 'sha256' | 'type' | 'bytes'>>
  get(sha256: Sha256): Promise<Buffer>
}

export async function openAttachments(dir: string, seal: Seal): Promise<Attachments> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  return {
    put: (body) => receive(dir, seal, body),
    async get(sha256) {
      const sealed = await readFile(path.join(dir, Sha256.parse(sha256))).catch(
        (cause: unknown) => {
          throw new ProtocolError('not_found', 'no such attachment', { cause })
        },
      )
      const content = seal.open(place, sealed)
      const digest = createHash('sha256').update(content).digest('hex')
      if (digest === String(sha256)) return content
      throw new ProtocolError('storage_corrupt', 'an attachment is not what it was')
    },
  }
}

/** Sealed as it comes; on the disk whole under its digest, or not there. */
async function receive(
  dir: string,
  seal: Seal,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
) {
  const part = path.join(dir, `${randomUUID()}.part`)
  try {
    const handle = await open(part, 'wx', 0o600)
    const hash = createHash('sha256')
    const sealing = seal.stream(place)
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
        throw new ProtocolError(
          'unsupported',
          'neither a PDF, nor a JPEG, nor a detached signature',
        )
      }
      await handle.write(sealing.end())
      await handle.sync()
    } finally {
      await handle.close()
    }
    const sha256 = hash.digest('hex') as Sha256
    await rename(part, path.join(dir, sha256))
    const folder = await open(dir, 'r')
    await folder.sync().finally(() => folder.close())
    return { sha256, type, bytes }
  } finally {
    await rm(part, { force: true })
  }
}

const place = 'attachment'
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
