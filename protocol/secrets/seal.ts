import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { open, readFile, stat } from 'node:fs/promises'
import { ProtocolError } from '../errors.ts'

/**
 * Encryption at rest (AES-256-GCM): forms, people, accounts and scans of a registry, second factors of a node. The place it is kept at is
 * authenticated with it, so that a sealed value cannot be moved to another's place. It is no certified СКЗИ and says so
 * in docs/SECURITY.md; against the theft of a whole disk the key must lie elsewhere (`dataKeyFile`).
 */
export type Seal = {
  seal(place: string, plain: Uint8Array): Buffer
  /** Throws `storage_corrupt` when it is not what was sealed at this place. */
  open(place: string, sealed: Uint8Array): Buffer
  /** The same in pieces: `start`, what `update` gives, `end()`. */
  stream(place: string): {
    readonly start: Buffer
    update(plain: Uint8Array): Buffer
    end(): Buffer
  }
}

const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32

export function createSeal(key: Uint8Array): Seal {
  const stream: Seal['stream'] = (place) => {
    // Never from a seeded source: a nonce that repeats under one key gives both texts away.
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place))
    return {
      start: nonce,
      update: (plain) => cipher.update(plain),
      end: () => Buffer.concat([cipher.final(), cipher.getAuthTag()]),
    }
  }
  return {
    stream,
    seal(place, plain) {
      const { start, update, end } = stream(place)
      return Buffer.concat([start, update(plain), end()])
    },
    open(place, sealed) {
      try {
        const nonce = sealed.subarray(0, nonceBytes)
        const tag = sealed.subarray(sealed.byteLength - tagBytes)
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
        decipher.setAAD(Buffer.from(place)).setAuthTag(tag)
        const body = sealed.subarray(nonceBytes, sealed.byteLength - tagBytes)
        return Buffer.concat([decipher.update(body), decipher.final()])
      } catch (cause) {
        throw new ProtocolError('storage_corrupt', 'what was sealed does not open', { cause })
      }
    },
  }
}

/** The key of a server: read, or made when `file` is not there yet. */
export async function readSealKey(file: string): Promise<Buffer> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return await makeKey(file)
  if (((await stat(file)).mode & 0o077) !== 0) {
    const advice = `others can read it: run chmod 600 ${file}`
    throw new ProtocolError('configuration_invalid', `${file} is a data key and ${advice}`)
  }
  const key = Buffer.from(text.trim(), 'base64url')
  if (key.byteLength === keyBytes) return key
  const advice = 'restore it from the backup; without it nothing that was sealed can be read'
  throw new ProtocolError('configuration_invalid', `${file} is not a data key: ${advice}`)
}

/** On the disk before anything is sealed with it. */
async function makeKey(file: string): Promise<Buffer> {
  const key = randomBytes(keyBytes)
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(`${key.toString('base64url')}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return key
}
