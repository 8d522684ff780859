import { constants } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import path from 'node:path'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { PrivateJwk, PublicJwk } from '#protocol/ids.ts'
import { checkPrivateKey, checkPublicKey, publicJwk } from '#protocol/keys.ts'
import { tokenLimits } from '#protocol/limits.ts'

/** Key files: JWK as JSON, one line. A private key is readable by its owner alone, from the moment it exists. */

const invalid = (message: string, cause?: unknown): ProtocolError =>
  new ProtocolError('configuration_invalid', message, { cause })

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'

export async function writeKeyFile(file: string, key: PrivateJwk): Promise<void> {
  checkPrivateKey(key)
  await writeNewFile(file, `${canonicalJson(key)}\n`, 0o600)
}

/** The key, and beside it in `FILE.pub` what others may have: both or none. */
export async function writeKeyFiles(file: string, key: PrivateJwk): Promise<void> {
  await writeKeyFile(file, key)
  try {
    await writeNewFile(`${file}.pub`, `${canonicalJson(publicJwk(key))}\n`, 0o644)
  } catch (error) {
    await unlink(file)
    throw error
  }
}

/** Makes a file that was not there, on disk when it resolves. A file that is there is never written to. */
export async function writeNewFile(file: string, text: string, mode: number): Promise<void> {
  let handle
  try {
    handle = await open(file, 'wx', mode)
  } catch (cause) {
    const code = codeOf(cause)
    throw code === 'EEXIST'
      ? invalid(`${file} exists and is never overwritten: name another file`, cause)
      : invalid(`${file} cannot be created (${code}): check the folder and its rights`, cause)
  }
  try {
    await handle.writeFile(text)
    await handle.sync()
    await handle.close()
    await syncFolder(path.dirname(file))
  } catch (cause) {
    await handle.close().catch(() => undefined)
    await unlink(file)
    throw invalid(`${file} cannot be written (${codeOf(cause)}): nothing was kept`, cause)
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export async function readKeyFile(file: string): Promise<PrivateJwk> {
  const { text, mode } = await readFile(file, tokenLimits.keyFileBytes)
  const key = PrivateJwk.safeParse(jsonOf(text))
  if (!key.success) {
    throw invalid(
      `${file} is not a private key: it must be a JSON object of kty, crv, x and d as "certs node-key" writes it`,
      key.error,
    )
  }
  if ((mode & 0o077) !== 0) {
    throw invalid(`${file} can be read by others: run "chmod 600 ${file}"`)
  }
  return checked(file, key.data, checkPrivateKey)
}

export async function readPublicKeyFile(file: string): Promise<PublicJwk> {
  const value = jsonOf(await readSmallFile(file, tokenLimits.keyFileBytes))
  if (PrivateJwk.safeParse(value).success) {
    throw invalid(`${file} is a private key and must not leave its host: give its .pub file`)
  }
  const key = PublicJwk.safeParse(value)
  if (!key.success) {
    throw invalid(
      `${file} is not a public key: it must be a JSON object of kty, crv and x`,
      key.error,
    )
  }
  return checked(file, key.data, checkPublicKey)
}

/** The public half of whichever of the two a file holds. */
export async function readEitherKeyFile(file: string): Promise<PublicJwk> {
  const value = jsonOf(await readSmallFile(file, tokenLimits.keyFileBytes))
  const isPrivate = PrivateJwk.safeParse(value).success
  return isPrivate ? publicJwk(await readKeyFile(file)) : readPublicKeyFile(file)
}

function checked<K>(file: string, key: K, check: (key: K) => void): K {
  try {
    check(key)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'weak'
    throw invalid(`${file} holds a key that proves nothing (${why}): make a new one`, cause)
  }
  return key
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Reads a file of a known greatest size. */
export async function readSmallFile(file: string, bytesMax: number): Promise<string> {
  return (await readFile(file, bytesMax)).text
}

async function readFile(file: string, bytesMax: number): Promise<{ text: string; mode: number }> {
  let handle
  try {
    // Without O_NONBLOCK a named pipe would wait for its writer for ever.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw invalid(`${file} cannot be read (${codeOf(cause)}): check its name and rights`, cause)
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw invalid(`${file} is not a file`)
    if (stat.size > bytesMax) throw invalid(`${file} is too large for what it should hold`)
    return { text: await handle.readFile('utf8'), mode: stat.mode }
  } finally {
    await handle.close()
  }
}
