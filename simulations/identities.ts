import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createSigner, decodeToken } from '#protocol/jws.ts'
import type { Kid, PeerIdString, PrivateJwk } from '#protocol/ids.ts'
import { peerIdOf, publicJwk, thumbprint } from '#protocol/keys.ts'
import { signatureType, verifierKey } from '#protocol/transparency/note.ts'
import type { SignatureType } from '#protocol/transparency/note.ts'
import { trustListKind } from '#protocol/trust-list.ts'
import type { LogTrust } from '#protocol/trust-list.ts'
import { createKey } from '../certs/authority.ts'
import { issueCredential, signTrustList } from '../certs/issue.ts'
import { readKeyFile, writeKeyFile } from '../certs/key-file.ts'
import type { Member } from './layout.ts'
import { createRandom, type Random } from './random.ts'

/** Who is who in a simulated region, as files that an operator would have made with `npm run certs`. */
export type Identities = {
  /** Fingerprint of the root key, pinned in every configuration. */
  authority: Kid
  registryPeerId: PeerIdString
  credentialFiles: string[]
  /** Whether the trust list names the region’s transparency log: regions of before have none. */
  hasLog: boolean
  /** Keys of the organizations that witness it. */
  witnesses: ReadonlySet<string>
}

const validDays = 365

export const trustListFile = (dataDir: string) => path.join(dataDir, 'trust-list.jwt')
export const nodeKeyFile = (dataDir: string, key: string) => path.join(dataDir, key, 'node-key.jwk')
export const credentialFile = (dataDir: string, key: string) =>
  path.join(dataDir, key, 'credential.jwt')
export const registryKeyFile = (dataDir: string) =>
  path.join(dataDir, 'registry', 'registry-key.jwk')
export const logKeyFile = (dataDir: string) => path.join(dataDir, 'registry', 'log-key.jwk')
export const witnessKeyFile = (dataDir: string, key: string) =>
  path.join(dataDir, key, 'witness-key.jwk')
export const issuingKeyFile = (dataDir: string) => path.join(dataDir, 'registry', 'issuing-key.jwk')

/**
 * Makes what is missing and keeps what is there. Keys come from the seed: a simulated region protects nobody's data,
 * and the same seed must give the same peers.
 */
export async function createIdentities(options: {
  seed: number
  dataDir: string
  organizations: readonly Member[]
  now?: number
}): Promise<Identities> {
  const { seed, dataDir, organizations, now = Date.now() } = options
  const random = createRandom(seed)
  const root = await keyAt(path.join(dataDir, 'root-key.jwk'), random)
  const issuing = await keyAt(issuingKeyFile(dataDir), random)
  const registry = await keyAt(registryKeyFile(dataDir), random)
  const issuer = await createSigner(issuing)
  const log = await logTrustOf({ seed, dataDir, organizations })
  const trustList = await textAt(trustListFile(dataDir), async () =>
    signTrustList({
      root: await createSigner(root),
      issuers: [publicJwk(issuing)],
      registry: publicJwk(registry),
      policy: { secondFactor: 'optional', staleAfterHours: 24, transparency: 'required' },
      log,
      ver: 1,
      now,
      days: validDays,
    }),
  )
  for (const { key, oid, name } of organizations) {
    const own = await keyAt(nodeKeyFile(dataDir, key), random)
    await textAt(credentialFile(dataDir, key), () =>
      issueCredential({
        issuer,
        oid,
        name,
        jwk: publicJwk(own),
        now,
        days: validDays,
        random: random.bytes,
      }),
    )
  }
  const hasLog = decodeToken(trustList.trim(), trustListKind).claims.log !== undefined
  return {
    authority: await thumbprint(publicJwk(root)),
    registryPeerId: peerIdOf(publicJwk(registry)),
    hasLog,
    witnesses: new Set(hasLog ? organizations.slice(0, witnessesMax).map(({ key }) => key) : []),
    credentialFiles: organizations.map(({ key }) => credentialFile(dataDir, key)),
  }
}

/** Keys of a stream of their own: those of before stay the same. */
async function logTrustOf(options: {
  seed: number
  dataDir: string
  organizations: readonly Member[]
}): Promise<LogTrust> {
  const { seed, dataDir, organizations } = options
  const random = createRandom(seed + logSeed)
  const line = (name: string, type: SignatureType, key: PrivateJwk): string =>
    verifierKey({ name, type, jwk: publicJwk(key) })
  const own = await keyAt(logKeyFile(dataDir), random)
  const witnesses: string[] = []
  for (const { key, oid } of organizations.slice(0, witnessesMax)) {
    const witness = await keyAt(witnessKeyFile(dataDir, key), random)
    witnesses.push(line(`oid/${oid}`, signatureType.cosignature, witness))
  }
  return { key: line('cami.kuzbass/registry', signatureType.ed25519, own), witnesses }
}
const logSeed = 6962
/** As many organizations as the design gives this duty. */
const witnessesMax = 9

/** Draws from the seed even when the file exists, so that later keys do not depend on it. */
async function keyAt(file: string, random: Random): Promise<PrivateJwk> {
  const seed = random.bytes(32)
  if (!existsSync(file)) await writeKeyFile(file, createKey(seed))
  return await readKeyFile(file)
}

async function textAt(file: string, make: () => Promise<string>): Promise<string> {
  if (!existsSync(file)) await writeFile(file, await make(), { mode: 0o600 })
  return await readFile(file, 'utf8')
}
