import { z } from 'zod'
import { UserRow } from './access-request.ts'
import { DocumentReference } from './credential.ts'
import { DeviceRecord } from './device.ts'
import { errorCodes } from './errors.ts'
import { FullName } from './fields/full-name.ts'
import { OrganizationOid, Sha256, SopUid, StudyUid, Ulid, UserId } from './ids.ts'
import { IndexItem } from './index-log.ts'
import { reconciliationLimits, rekeyLimits, tokenLimits, transparencyLimits } from './limits.ts'
import { ManifestPage } from './manifest.ts'
import { Ancestor } from './rekey.ts'
import { RestrictionRecord } from './restriction.ts'
import { Submission } from './transparency/entries.ts'

export const PROTOCOL_VERSION = 1
export const CONTROL_PROTOCOL = '/cami/control/1'
export const FETCH_PROTOCOL = '/cami/fetch/1'

/** Frames of `/cami/control/1`: canonical JSON behind a varint length. */
export const ControlFrame = z.union([
  z.strictObject({ id: z.int().min(1), method: z.string().max(64), params: z.unknown() }),
  z.strictObject({ id: z.int().min(1), result: z.unknown() }),
  z.strictObject({ id: z.int().min(1), error: z.strictObject({ code: z.enum(errorCodes) }) }),
  z.strictObject({ event: z.string().max(64), params: z.unknown() }),
])
export type ControlFrame = z.infer<typeof ControlFrame>

const none = z.strictObject({})
const addresses = z.array(z.string().max(200)).max(16)

export const Member = z.strictObject({
  /** The compact `cami-mo+jwt`. */
  credential: z.string(),
  addresses,
  online: z.boolean(),
  /** Earlier credentials, the newest first. */
  lineage: z.array(Ancestor).max(rekeyLimits.ancestorsMax).exactOptional(),
})
export type Member = z.infer<typeof Member>

export const GrantState = z.strictObject({ grant: z.string(), active: z.boolean() })
export type GrantState = z.infer<typeof GrantState>

/** A form № 5 that waits for an organization's node: for the holder's signature, or for the grantee's people. */
export const AccessRequestRecord = z.strictObject({
  id: Ulid,
  side: z.enum(['holder', 'grantee']),
  form5: DocumentReference,
  holder: OrganizationOid,
  grantee: OrganizationOid,
  rows: z
    .array(
      UserRow.extend({
        fullName: FullName,
        position: z.string().max(200),
        department: z.string().max(200),
        room: z.string().max(50),
      }),
    )
    .max(100),
  devices: z.array(z.string()).max(100),
  modalities: z.array(z.string()).max(64),
  mode: z.enum(['all', 'by_request']),
  validUntil: z.iso.date().exactOptional(),
})
export type AccessRequestRecord = z.infer<typeof AccessRequestRecord>

const devices = z.strictObject({ devices: z.array(DeviceRecord).max(1000) })
const restrictions = z.strictObject({ restrictions: z.array(RestrictionRecord).max(100) })

/** One access between two organizations, as one of them knows it; without `outcome` it has not seen the end. */
export const AccessRow = z.strictObject({
  req: Ulid,
  study: StudyUid,
  user: UserId,
  instances: z.int().min(0).exactOptional(),
  bytes: z.int().min(0).exactOptional(),
  outcome: z.enum(['success', 'denied', 'failure']).exactOptional(),
  /** The holder's `cami-receipt+jwt`. */
  receipt: z.string().max(tokenLimits.receiptBytes).exactOptional(),
})
export type AccessRow = z.infer<typeof AccessRow>

/** A signed note of the transparency log. */
const note = z.string().max(transparencyLimits.noteBytes)
const checkpoints = z.strictObject({ newest: note, witnessed: note.exactOptional() })

/** Requests and their answers. Who may call what stands in protocol/README.md. */
export const methods = {
  hello: {
    params: z.strictObject({
      version: z.int(),
      /** Absent when the registry speaks: its key stands in the trust list. */
      credential: z.string().exactOptional(),
      addresses,
    }),
    result: z.strictObject({ version: z.int(), credential: z.string().exactOptional() }),
  },
  ping: { params: none, result: none },
  // node → registry
  'trust.get': { params: none, result: z.strictObject({ trustList: z.string() }) },
  'directory.get': { params: none, result: z.strictObject({ members: z.array(Member).max(1000) }) },
  'epoch.get': {
    params: none,
    result: z.strictObject({ epoch: z.string(), beat: z.string(), grants: z.array(z.string()) }),
  },
  'grant.list': { params: none, result: z.strictObject({ grants: z.array(GrantState).max(1000) }) },
  'grant.submit': {
    params: z.strictObject({ request: z.string() }),
    result: z.strictObject({ grant: z.string() }),
  },
  'grant.revoke': { params: z.strictObject({ jti: Ulid }), result: none },
  /** The caller's own apparatus of form № 4. */
  'devices.get': { params: none, result: devices },
  /** What limits the caller's organization now; answered to a suspended one too. */
  'restrictions.get': { params: none, result: restrictions },
  /** Forms № 5 that wait for the caller, a hundred at most. */
  'access-requests.get': {
    params: none,
    result: z.strictObject({ requests: z.array(AccessRequestRecord).max(100) }),
  },
  /** The grantee says which account a row of form № 5 means. */
  'access-request.confirm': {
    params: z.strictObject({
      id: Ulid,
      row: z.int().min(1),
      uid: UserId,
      fullName: FullName,
      position: z.string().max(200),
    }),
    result: none,
  },
  /** A person of the caller's has left, or is back: her node has switched the account off, or on again. */
  'user.report': { params: z.strictObject({ user: UserId, isOff: z.boolean() }), result: none },
  /** The registry's head of the caller's own log, to go on from. */
  'index.head': { params: none, result: z.strictObject({ seq: z.int().min(0), digest: Sha256 }) },
  'index.push': {
    params: z.strictObject({ entries: z.array(z.string()).min(1).max(64) }),
    result: z.strictObject({ seq: z.int().min(0) }),
  },
  /** The caller's own entries after a number, as many as fit: for one that has lost its own. */
  'index.own': {
    params: z.strictObject({ after: z.int().min(0) }),
    result: z.strictObject({ entries: z.array(z.string()).max(64) }),
  },
  /** Entries after `after` of each holder (0 when absent); later ones follow as `index` events. */
  'index.follow': {
    params: z.strictObject({ after: z.record(OrganizationOid, z.int().min(0)) }),
    result: none,
  },
  // the transparency log
  /** The newest checkpoint, and the newest that enough witnesses have signed. */
  'log.checkpoint': { params: none, result: checkpoints },
  /** Entries from number `from` on, canonical JSON, as many as fit. */
  'log.entries': {
    params: z.strictObject({ from: z.int().min(0) }),
    result: z.strictObject({ entries: z.array(z.string()).max(256) }),
  },
  /** RFC 6962 §2.1.2, hexadecimal. */
  'log.proof': {
    params: z.strictObject({ first: z.int().min(0), second: z.int().min(0) }),
    result: z.strictObject({ proof: z.array(Sha256).max(128) }),
  },
  /** A checkpoint with the caller's cosignature. */
  'log.cosign': { params: z.strictObject({ checkpoint: note }), result: none },
  /** What the caller has to say of itself. */
  'log.submit': {
    params: z.strictObject({ entries: z.array(Submission).min(1).max(256) }),
    result: none,
  },
  /** Between nodes: the checkpoint that each was shown last; two that disagree are evidence. */
  'log.compare': {
    params: z.strictObject({ checkpoint: note }),
    result: z.strictObject({ checkpoint: note.exactOptional() }),
  },
  // node → holder; each request carries its own single-use assertion
  'manifest.get': {
    params: z.strictObject({ assertion: z.string(), study: StudyUid }),
    result: z.strictObject({ manifest: z.string() }),
  },
  'manifest.page': {
    params: z.strictObject({ assertion: z.string(), study: StudyUid, page: Sha256 }),
    result: ManifestPage,
  },
  'chunks.get': {
    params: z.strictObject({ assertion: z.string(), study: StudyUid, sop: SopUid }),
    /** The raw SHA-256 digests of the 256 KiB chunks, concatenated, base64url. */
    result: z.strictObject({ chunks: z.string().max(350_000) }),
  },
  /** Between nodes: whether the asked one lets people in without a grant in an emergency. */
  'emergency.get': { params: none, result: z.strictObject({ offered: z.boolean() }) },
  // between nodes: what the asked one knows of a day's accesses between it and the caller
  'accesses.get': {
    params: z.strictObject({
      day: z.iso.date(),
      /** What the asked one is in them. */
      side: z.enum(['holder', 'grantee']),
      after: Ulid.exactOptional(),
    }),
    result: z.strictObject({ accesses: z.array(AccessRow).max(reconciliationLimits.pageRows) }),
  },
} as const

export type Method = keyof typeof methods
export type Params<M extends Method> = z.infer<(typeof methods)[M]['params']>
export type Result<M extends Method> = z.infer<(typeof methods)[M]['result']>

/** Events, pushed by the registry; `receipt` by a holder. */
export const events = {
  epoch: z.strictObject({ epoch: z.string(), grants: z.array(z.string()) }),
  beat: z.strictObject({ beat: z.string() }),
  trust: z.strictObject({ trustList: z.string() }),
  directory: z.strictObject({ members: z.array(Member).max(1000) }),
  grants: z.strictObject({ grants: z.array(GrantState).max(1000) }),
  devices,
  restrictions,
  /** The log has grown, or has been witnessed. */
  log: checkpoints,
  index: z.strictObject({ items: z.array(IndexItem).min(1).max(64) }),
  receipt: z.strictObject({ receipt: z.string().max(tokenLimits.receiptBytes) }),
} as const
export type EventName = keyof typeof events
export type EventParams<E extends EventName> = z.infer<(typeof events)[E]>
