import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { createFederation, now, partyOf } from '#protocol/federation.fixture.ts'
import type { Federation, Party } from '#protocol/federation.fixture.ts'
import type { PrivateJwk } from '#protocol/ids.ts'
import { privateJwk, publicJwk } from '#protocol/keys.ts'
import { logKey, origin } from '#protocol/transparency/log.fixture.ts'
import { signatureType, verifierKey } from '#protocol/transparency/note.ts'
import { createRandom } from '#protocol/volume.fixture.ts'
import { RegistryConfig } from '../../registry/config.ts'
import { silentLog } from '../../registry/log.ts'
import { createRegistry } from '../../registry/registry.ts'
import { startMember } from './member.fixture.ts'

/**
 * A registry and nodes as far as trust goes: their real code on real folders, real Noise between them, and a clock that
 * moves only when it is told to. No people and no apparatus.
 */
export const minute = 60_000
export const hour = 60 * minute
const never = 2 ** 31 - 1

export type Lab = Awaited<ReturnType<typeof createLab>>

export async function createLab({
  seed,
  organizations,
  members: chosen,
  witnesses = 3,
}: {
  seed: number
  organizations?: number
  /** Others than the lab’s own. */
  members?: (federation: Federation) => Party[]
  /** So many of them witness the log. */
  witnesses?: number
}) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-lab-'))
  const federation = await createFederation()
  const members =
    chosen?.(federation) ??
    (await Promise.all(
      Array.from({ length: organizations ?? 3 }, (_, at) => partyOf(60 + at, 2001 + at)),
    ))
  const witnessKey = (party: Party): PrivateJwk => seedKey(150 + members.indexOf(party))
  const { config, trustList } = await writeIdentities({
    dir,
    federation,
    members,
    witnesses,
    witnessKey,
  })
  const clock = { now }
  const random = createRandom(seed)
  const bytes = (count: number): Uint8Array =>
    Uint8Array.from({ length: count }, () => Math.floor(random() * 256))
  const lab = {
    ...federation,
    dir,
    members,
    witnessKey,
    trustList,
    clock,
    random,
    bytes,
    startRegistry: () =>
      createRegistry(config, {
        clock: () => clock.now,
        random: bytes,
        log: silentLog,
        // Beats are sent by hand.
        limits: { beatIntervalMs: never },
      }),
    /** A node of this organization, on a folder that survives it. */
    async startMember(party: Party, folder: string = party.oid) {
      const at = path.join(dir, folder)
      await mkdir(at, { recursive: true })
      return await startMember({ ...lab, dir: at, party })
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  }
  return lab
}

/** The files of a registry as an operator would have made them. */
async function writeIdentities(given: {
  dir: string
  federation: Federation
  members: readonly Party[]
  witnesses: number
  witnessKey: (party: Party) => PrivateJwk
}) {
  const { dir, federation, members, witnesses, witnessKey } = given
  const { authority, issuer, registry, sign, claims } = federation
  const trustList = await sign.trustList({
    policy: { ...claims.trustList().policy, transparency: 'required' },
    log: {
      key: verifierKey({ name: origin, type: signatureType.ed25519, jwk: publicJwk(logKey) }),
      witnesses: members.slice(0, witnesses).map((party) => {
        const jwk = publicJwk(witnessKey(party))
        return verifierKey({ name: `oid/${party.oid}`, type: signatureType.cosignature, jwk })
      }),
    },
  })
  const file = (name: string): string => path.join(dir, name)
  const keep = (name: string, text: string) => writeFile(file(name), text, { mode: 0o600 })
  await keep('registry.key', canonicalJson(registry.key))
  await keep('issuer.key', canonicalJson(issuer.key))
  await keep('log.key', canonicalJson(logKey))
  await keep('trust.jwt', trustList)
  for (const party of members) await keep(`${party.oid}.jwt`, await sign.credential(party))
  const config = RegistryConfig.parse({
    dataDir: file('registry'),
    keyFile: file('registry.key'),
    issuerKeyFile: file('issuer.key'),
    logKeyFile: file('log.key'),
    trustListFile: file('trust.jwt'),
    authority: authority.kid,
    http: { host: '127.0.0.1', port: 0 },
    peer: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    credentials: members.map(({ oid }) => file(`${oid}.jwt`)),
  })
  return { config, trustList }
}

const seedKey = (seed: number): PrivateJwk => privateJwk(new Uint8Array(32).fill(seed))

/** Waits for what must come to pass, generously: a slow machine is no fault. */
export async function until(what: string, isDone: () => unknown, ms = 60_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await isDone())) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
