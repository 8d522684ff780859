import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createSigner } from '#protocol/jws.ts'
import type { Kid, PeerIdString, PrivateJwk } from '#protocol/ids.ts'
import { peerIdOf, publicJwk, thumbprint } from '#protocol/keys.ts'
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
}

const validDays = 365

export const trustListFile = (dataDir: string) => path.join(dataDir, 'trust-list.jwt')
export const nodeKeyFile = (dataDir: string, key: string) => path.join(dataDir, key, 'node-key.jwk')
export const credentialFile = (dataDir: string, key: string) =>
  path.join(dataDir, key, 'credential.jwt')
export const registryKeyFile = (dataDir: string) =>
  path.join(dataDir, 'registry', 'registry-key.jwk')
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
  await textAt(trustListFile(dataDir), async () =>
    signTrustList({
      root: await createSigner(root),
      issuers: [publicJwk(issuing)],
      registry: publicJwk(registry),
      policy: { secondFactor: 'optional', staleAfterHours: 24, transparency: 'off' },
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
  return {
    authority: await thumbprint(publicJwk(root)),
    registryPeerId: peerIdOf(publicJwk(registry)),
    credentialFiles: organizations.map(({ key }) => credentialFile(dataDir, key)),
  }
}

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
