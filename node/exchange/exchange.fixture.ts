import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { VerifiedGrant } from '#protocol/authorize.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type {
  OrganizationOid,
  PeerIdString,
  PrivateJwk,
  SeriesUid,
  Sha256,
  SopUid,
  StudyUid,
  UserId,
} from '#protocol/ids.ts'
import { createSigner } from '#protocol/jws.ts'
import { publicJwk } from '#protocol/keys.ts'
import { streamLimits } from '#protocol/limits.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { Connection, Handlers, HolderStream, Host } from '#protocol/transport/transport.ts'
import type { Admission, PeerGate, Transferred } from '../access/admission.ts'
import type { StudyUse } from '../access/doors.ts'
import type { SessionUser } from '../access/session-user.ts'
import type { Archive, InstanceEntry, StudyReader } from '../archive/archive.ts'
import { silentLog } from '../log.ts'
import { digestOf, rootOf } from './digests.ts'
import { createHolder } from './holder.ts'
import type { HolderLimits } from './holder.ts'
import { createRemoteStudies } from './remote-studies.ts'
import type { RemoteLimits, RemoteStudies } from './remote-studies.ts'

export const holderOid = '1.2.643.5.1.13.13.12.2.42.1001' as OrganizationOid
export const granteeOid = '1.2.643.5.1.13.13.12.2.42.2002' as OrganizationOid
export const studyUid = '1.2.3.4' as StudyUid
const { chunkBytes } = streamLimits

/** Bytes that no two places of an instance share, cheap to make. */
export function patterned(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

export type FixtureInstance = { sop: SopUid; series: SeriesUid; bytes: Uint8Array }

export function instanceOf(number: number, length: number, series = 1): FixtureInstance {
  return {
    sop: `1.2.3.4.${series}.${number}` as SopUid,
    series: `1.2.3.4.${series}` as SeriesUid,
    bytes: patterned(length, series * 1000 + number),
  }
}

function chunksOf(bytes: Uint8Array): Sha256[] {
  const digests: Sha256[] = []
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
    digests.push(digestOf(bytes.subarray(at, at + chunkBytes)))
  }
  return digests
}

/** What the archive would say of an instance; digests are made once. */
function createEntries() {
  const entries = new Map<FixtureInstance, InstanceEntry>()
  const makeEntry = (one: FixtureInstance): InstanceEntry => ({
    study: studyUid,
    series: one.series,
    sop: one.sop,
    sopClass: '1.2.840.10008.5.1.4.1.1.2',
    transferSyntax: '1.2.840.10008.1.2.1',
    bytes: one.bytes.byteLength,
    sha256: rootOf(chunksOf(one.bytes)),
    headerBytes: Math.min(100, one.bytes.byteLength),
    receivedAt: 1,
    attributes: {
      '00080018': { vr: 'UI', Value: [one.sop] },
      '00200013': { vr: 'IS', Value: [Number(one.sop.split('.').at(-1))] },
    },
  })
  return (one: FixtureInstance): InstanceEntry => {
    const known = entries.get(one) ?? makeEntry(one)
    entries.set(one, known)
    return known
  }
}

/** A study over byte arrays; `read` counts what is read of it, and can be made to lie. */
export function createFixtureStudy(instances: FixtureInstance[]) {
  const entry = createEntries()
  const find = (sop: SopUid): FixtureInstance => {
    const one = instances.find((other) => other.sop === sop)
    if (one === undefined) throw new ProtocolError('not_found', 'no such instance')
    return one
  }
  const study = {
    instances,
    reads: [] as { sop: SopUid; offset: number; length: number }[],
    /** Changes bytes on their way out. */
    tamper: undefined as
      | ((sop: SopUid, offset: number, bytes: Uint8Array) => Uint8Array)
      | undefined,
    opened: 0,
    closed: 0,
    open(): StudyReader {
      study.opened += 1
      return {
        study: studyUid,
        holder: holderOid,
        series: async () =>
          [...new Set(instances.map((one) => one.series))].map((series) => ({
            study: studyUid,
            series,
            instances: instances.filter((one) => one.series === series).length,
            attributes: { '0020000E': { vr: 'UI', Value: [series] } },
          })),
        instances: async (series) =>
          instances.filter((one) => series === undefined || one.series === series).map(entry),
        instance: async (sop) => instances.filter((one) => one.sop === sop).map(entry)[0],
        async *read(sop, range = { offset: 0, length: Infinity }) {
          const { bytes } = find(sop)
          const part = bytes.slice(range.offset, range.offset + range.length)
          study.reads.push({ sop, offset: range.offset, length: part.byteLength })
          yield study.tamper?.(sop, range.offset, part) ?? part
        },
        metadata: async ({ series, sop }) =>
          instances
            .filter((one) => series === undefined || one.series === series)
            .filter((one) => sop === undefined || one.sop === sop)
            .map((one) => ({ ...entry(one).attributes, '00100010': { vr: 'PN', Value: [{}] } })),
        chunks: async (sop) => chunksOf(find(sop).bytes),
        async [Symbol.asyncDispose]() {
          study.closed += 1
        },
      }
    },
  }
  return study
}
export type FixtureStudy = ReturnType<typeof createFixtureStudy>

/** A gate that admits assertions of the form `user`, and remembers what it was asked. */
export function createFixtureGate() {
  const gate = {
    refused: new Set<string>(),
    revoked: new Set<string>(),
    admitted: [] as { assertion: string; peer: PeerIdString }[],
    finished: [] as (Transferred & { assertion: string })[],
    admit: async (peer: PeerIdString, assertion: string): Promise<Admission> => {
      const user = assertion.split(' ')[0] ?? ''
      if (gate.refused.has(user)) throw new ProtocolError('forbidden', 'refused by the test')
      if (gate.admitted.some((one) => one.assertion === assertion)) {
        throw new ProtocolError('forbidden', 'an assertion was used twice')
      }
      gate.admitted.push({ assertion, peer })
      return {
        grant: { study: studyUid } as VerifiedGrant,
        async recheck() {
          if (gate.revoked.has(user)) throw new ProtocolError('forbidden', 'revoked by the test')
        },
        finish: async (result) => void gate.finished.push({ ...result, assertion }),
      }
    },
  }
  return gate satisfies PeerGate
}
export type FixtureGate = ReturnType<typeof createFixtureGate>

export function newKey(): PrivateJwk {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as PrivateJwk
}

const transportLimits = { helloTimeoutMs: 2000, dialTimeoutMs: 4000, closeTimeoutMs: 300 }

export type HolderSide = {
  key?: PrivateJwk
  /** What it holds: a study of the test's making, or a real archive. */
  study?: FixtureStudy
  archive?: Pick<Archive, 'open' | 'record'>
  gate?: FixtureGate
  limits?: Partial<HolderLimits>
  /** Replaces handlers, to be a holder that lies. */
  handlers?: (own: Handlers) => Handlers
  /** Between the wire and the holder, to count or to cut. */
  wrap?: (stream: HolderStream) => HolderStream
}

/** A holder's node: its host and its side of the exchange. */
export async function startHolder(side: HolderSide) {
  const key = side.key ?? newKey()
  const gate = side.gate ?? createFixtureGate()
  const study = side.study ?? createFixtureStudy([])
  const archive = side.archive ?? {
    open: async () => study.open(),
    record: async () => undefined,
  }
  const holder = createHolder({
    archive,
    gate,
    signer: await createSigner(key),
    self: holderOid,
    clock: () => Date.now(),
    log: silentLog,
    ...(side.limits && { limits: side.limits }),
  })
  const served = { bytes: 0 }
  const counted = (stream: HolderStream): HolderStream => ({
    ...stream,
    async data(want, offset, bytes) {
      served.bytes += bytes.byteLength
      await stream.data(want, offset, bytes)
    },
  })
  const handlers = side.handlers?.(holder.handlers) ?? holder.handlers
  const host = await createHost({
    key,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    isAllowed: () => true,
    handlers: { hello: async () => ({ version: 1 }), ...handlers },
    onFetch: (stream) => holder.onFetch(side.wrap?.(counted(stream)) ?? counted(stream)),
    limits: transportLimits,
    clock: () => Date.now(),
  })
  return {
    key,
    gate,
    study,
    host,
    served,
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }
}
export type HolderNode = Awaited<ReturnType<typeof startHolder>>

export function userOf(name: string): SessionUser {
  return {
    uid: `${granteeOid}#01J000000000000000000000${name.padEnd(2, '0').slice(0, 2)}` as UserId,
    organization: granteeOid,
    roles: ['radiologist'],
    enabled: true,
    authTime: 0,
    amr: ['pwd'],
    login: name,
    name,
    position: '',
    department: '',
    workstation: '',
    address: '',
    session: `session of ${name}`,
    expiresAt: Number.MAX_SAFE_INTEGER,
  }
}

export const testLimits: Partial<RemoteLimits> = {
  reconnectDelayMs: 50,
  reconnectDelayMsMax: 200,
  streamLingerMs: 200,
  leanMs: 200,
  progressIntervalMs: 5,
  bulkIdleTimeoutMs: 5000,
}

let assertions = 0

export type Grantee = AsyncDisposable & {
  remote: RemoteStudies
  host: Host
  dir: string
  /** Where the holder is now; it may move. */
  target: { node: HolderNode | undefined }
  clock: { now: number }
  open(name?: string, use?: StudyUse): Promise<StudyReader>
}

/** A grantee's node with an empty folder, or with one from before. */
export async function startGrantee(
  node: HolderNode,
  options: { dir?: string; limits?: Partial<RemoteLimits> } = {},
): Promise<Grantee> {
  const dir = options.dir ?? (await mkdtemp(path.join(os.tmpdir(), 'cami-exchange-')))
  const host = await createHost({
    key: newKey(),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    isAllowed: () => true,
    handlers: {},
    limits: transportLimits,
    clock: () => Date.now(),
  })
  const target: Grantee['target'] = { node }
  const clock = { now: Date.now() }
  const connect = async (): Promise<Connection> => {
    if (target.node === undefined) throw new ProtocolError('holder_unreachable', 'it is away')
    return await host.connect(target.node.host.peerId, target.node.host.addresses())
  }
  const remote = await createRemoteStudies({
    dir,
    connect,
    holderKey: () => publicJwk(node.key),
    assert: async ({ user }) => `${user.login} ${(assertions += 1)}`,
    clock: () => clock.now,
    log: silentLog,
    limits: { ...testLimits, ...options.limits },
  })
  return {
    remote,
    host,
    dir,
    target,
    clock,
    open: (name = 'anna', use) =>
      remote.open({ user: userOf(name), study: studyUid, holder: holderOid, ...(use && { use }) }),
    async [Symbol.asyncDispose]() {
      await remote[Symbol.asyncDispose]()
      await host[Symbol.asyncDispose]()
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true })
    },
  }
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}

export async function until(what: string, holds: () => boolean, ms = 5000): Promise<void> {
  const deadline = performance.now() + ms
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}

/** For `assert.rejects`. */
export const coded = (code: ErrorCode) => (error: unknown) => {
  assert.equal(codeOf(error), code, String(error))
  return true
}

/** Instances of about that many bytes each, no two alike. */
export const slices = (count: number, length = 500 * 1024): FixtureInstance[] =>
  Array.from({ length: count }, (_, i) => instanceOf(i + 1, length + i))

export const firstOf = (instances: FixtureInstance[]): FixtureInstance => {
  const [first] = instances
  assert.ok(first)
  return first
}
