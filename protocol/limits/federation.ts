import { KiB, MiB, GiB, second, minute, hour } from './units.ts'

/** Signed things, and streams between organizations. */

/** Signed things, in bytes of the compact serialization. */
export const tokenLimits = {
  assertionBytes: 4 * KiB,
  receiptBytes: 2 * KiB,
  credentialBytes: 16 * KiB,
  rekeyBytes: 4 * KiB,
  proofBytes: 2 * KiB,
  grantRequestBytes: 16 * KiB,
  /** A grant carries its request whole. */
  grantBytes: 32 * KiB,
  manifestRootBytes: 16 * KiB,
  trustListBytes: 64 * KiB,
  epochBytes: 256 * KiB,
  beatBytes: 4 * KiB,
  indexEntryBytes: 16 * KiB,
  assertionLifetimeSeconds: 300,
  epochLifetimeSeconds: 72 * 3600,
  credentialLifetimeSeconds: 400 * 24 * 3600,
  rekeyLifetimeSeconds: 24 * 3600,
  proofLifetimeSeconds: 72 * 3600,
  grantLifetimeSeconds: 400 * 24 * 3600,
  trustListLifetimeSeconds: 1830 * 24 * 3600,
  clockToleranceSeconds: 60,
  sessionAgeHoursMax: 12,
  keyFileBytes: 4 * KiB,
  /** Public keys that need not be proven good again. */
  strongKeysMax: 4096,
  /** Nesting of a canonical JSON value. */
  jsonDepthMax: 128,
} as const

/** Streams between organizations. */
export const streamLimits = {
  controlFrameBytes: 512 * KiB,
  bulkFrameBytes: 256 * KiB + 64,
  /** What a holder puts into one `data` frame: small enough to interleave on a thin link. */
  sliceBytes: 64 * KiB,
  chunkBytes: 256 * KiB,
  manifestPageBytes: 256 * KiB,
  manifestPageInstancesMax: 1000,
  /** As many page digests as fit into a root of 16 KiB. */
  manifestPagesMax: 160,
  pendingRequestsMax: 256,
  /** What may wait for a peer that reads slowly, before its connection is closed. */
  controlQueueBytes: 8 * MiB,
  /** Frames of the reader of a bulk stream: requests, never data. */
  fetchRequestBytes: 16 * KiB,
  /** Muxer window of one stream; the read buffer must be larger, or a paused reader is reset. */
  streamWindowBytes: 2 * MiB,
  streamBufferBytes: 4 * MiB,
  muxedStreamsMax: 64,
  closeTimeoutMs: 1 * second,
  wantsMax: 1024,
  creditBytesMin: 32 * KiB,
  creditBytesMax: 4 * MiB,
  /** Bulk streams of one peer: its readers' interactive ones and a few background ones. */
  inboundStreamsPerPeer: 24,
  connectionsMax: 300,
  pendingConnectionsMax: 10,
  inboundConnectionsPerSecond: 50,
  helloTimeoutMs: 10 * second,
  requestTimeoutMs: 30 * second,
  dialTimeoutMs: 15 * second,
  pingIntervalMs: 15 * second,
  pingTimeoutMs: 45 * second,
  bulkIdleTimeoutMs: 30 * second,
  reconnectDelayMs: 1 * second,
  reconnectDelayMsMax: 30 * second,
  recheckIntervalMs: 1 * second,
  replayWindowMs: 10 * minute,
  /** Of one organization. */
  replayEntriesMax: 20_000,
  /** Denials of one peer that are audited one by one. */
  denialsPerWindow: 300,
  denialWindowMs: 1 * minute,
} as const

/** Studies on their way between organizations. */
export const exchangeLimits = {
  /** Holder: manifests kept ready to be asked for page by page. */
  manifestsMax: 64,
  /** Wants of one stream whose bytes are in memory at a time; the others wait for their turn. */
  activeWantsMax: 4,
  /** Metadata of one series, as it travels and inflated. */
  metadataBytes: 32 * MiB,
  metadataInflatedBytes: 256 * MiB,
  /** The holder is asked again after this time while somebody has the study open, whether or not the bytes are here. */
  askIntervalMs: 30 * second,
  /** At an opening an answer of this age still counts: a page opens by several requests. */
  openingAskMs: 1 * second,
  /** What is here may be shown for so long when the holder cannot be asked; an idle copy is asked about as often. */
  unansweredMs: 5 * minute,
  /** Wants under way on a background stream: enough that the holder is never idle. */
  backgroundWantsMax: 8,
  /** An instance up to this size is checked by its own digest; chunk digests are asked for larger and cut ones. */
  wholeBytes: 1 * MiB,
  /** Wrong bytes from a holder for one instance, before it is left alone for a while. */
  strikesMax: 3,
  banMs: 10 * minute,
  /** Background streams to one holder at a time, so that readers always find a free one; others wait. */
  backgroundStreamsMax: 4,
  /** A reader leans on a background stream that is bringing what she waits for, unless it stands still this long. */
  leanMs: 3 * second,
  /** An unused bulk stream is closed, well before the other side resets it. */
  streamLingerMs: 5 * second,
  /** An opened study that nobody reads is let go. */
  sessionLingerMs: 15 * minute,
  sessionsMax: 1000,
  sweepIntervalMs: 10 * second,
  /** Queueing delay that background streams may cause, and what interactive ones may. */
  backgroundDelayMs: 80,
  interactiveDelayMs: 250,
  interactiveCreditBytesMin: 128 * KiB,
  /** Chunks of one instance that are arriving at the same time. */
  openChunksMax: 16,
  /** Copies whose chunk digests are in memory. */
  verifiedCopiesMax: 1024,
  copiesBytes: 50 * GiB,
  /** Verified parts that nobody asked for since are removed at start. */
  transferAgeMs: 7 * 24 * hour,
  progressIntervalMs: 250,
} as const

/** Reading across organizations, per hour and day (trust.md, insider doctor). */
export const readingLimits = {
  studiesPerUserHour: 60,
  studiesPerUserDay: 200,
  studiesPerOrganizationHour: 600,
} as const

/** What two organizations know of the accesses between them, compared day by day. */
export const reconciliationLimits = {
  /** How often it is looked whether a day can be compared, and those that could not be are tried again. */
  everyMs: 1 * hour,
  /** After the start of a node. */
  firstMs: 2 * minute,
  /** A day is compared when nothing that began in it can still run: a session's age and an hour. */
  settleMs: 13 * hour,
  /** A day for which the other side gives no account in this time is an alert of its own. */
  daysMax: 7,
  /** Rows of accesses and results of comparisons are kept so long; the audit itself is kept for good. */
  keptDays: 35,
  /** Rows of one answer: a receipt with each, in a control frame. */
  pageRows: 200,
  /** Accesses of one day with one organization that are compared. */
  rowsMax: 100_000,
  /** Mismatches of a day that are kept and audited one by one. */
  mismatchesMax: 50,
  /** What was on its way when a stream was cut, was sent and never received. */
  toleranceBytes: 4 * MiB + 256 * KiB,
} as const

export const indexLimits = {
  entryIntervalMs: 10 * second,
  /** How long the first of several changes waits for the others. */
  gatherMs: 200,
  pushBatch: 64,
  followBatch: 64,
  /** Until a log is tried again that could not be read, or not be brought to its follower. */
  followRetryMs: 10 * second,
  /** Batches a follower has not taken in yet; what comes above this is dropped and asked for again. */
  followQueueMax: 64,
  /** Half a control frame, for entries alone. */
  batchBytes: 256 * KiB,
  /** Studies of a publisher that wait for their next entry. */
  pendingStudiesMax: 10_000,
  changesPerRead: 256,
  studyQuietMs: 60 * second,
  /** Of a CT, whose reconstructions come late (DQ-18). */
  studyQuietCtMs: 300 * second,
  seriesPerRecordMax: 512,
} as const

export const epochLimits = {
  beatIntervalMs: 60 * second,
  freshMs: 5 * minute,
  degradedMs: 4 * hour,
  staleHoursDefault: 24,
  /** People, organizations and keys that one set names as switched off. */
  offMax: 1000,
} as const

/** Access without a grant, where the holder offers it. */
export const emergencyLimits = {
  reasonCharsMin: 20,
  /** It travels in each assertion. */
  reasonCharsMax: 300,
  lastsMs: 4 * hour,
  /** How long before the opening the user has shown again who she is. */
  stepUpMs: 5 * minute,
  windowMs: 24 * hour,
  perUser: 5,
  /** A node that invents users is held by this. */
  perOrganization: 20,
  reviewMs: 72 * hour,
  commentCharsMax: 1000,
  /** A reviewed one is listed for so long; the audit keeps it for ever. */
  keptMs: 400 * 24 * hour,
  listMax: 1000,
  sweepMs: 1 * minute,
} as const

/** One study for a suspended organization, by the operator's word. */
export const citoLimits = {
  lastsMs: 24 * hour,
  perHolderMax: 100,
} as const

export const rekeyLimits = {
  /** Earlier keys of one organization that its members learn of. */
  ancestorsMax: 16,
  /** How long the old key speaks beside the new one. */
  overlapMs: 24 * hour,
  /** After a revocation, before a key that was enrolled anew counts. */
  coolDownSeconds: 24 * 3600,
} as const

export const timeLimits = {
  /** A system clock this far behind what time must be closes access between organizations. */
  behindMs: 120 * second,
  /** One this far ahead of a beat that was just heard is not believed. */
  aheadMs: 24 * hour,
  /** How often the time is kept. */
  keepMs: 1 * minute,
} as const

/** The transparency log. */
export const transparencyLimits = {
  /** An entry's length has two bytes (C2SP tlog-tiles). */
  entryBytes: 64 * KiB - 1,
  noteBytes: 64 * KiB,
  noteSignaturesMax: 64,
  witnessesMax: 60,
  /** What one answer carries, and what one message may submit. */
  batchBytes: 192 * KiB,
  batchEntriesMax: 256,
  submitMax: 256,
  /** A cosignature of this age is fresh; an older one will do until the grant sets are stale. */
  freshMs: 1 * hour,
  /** Changes that come together are told once. */
  announceDelayMs: 100,
  /** How far a cosignature's time may be ahead of its reader's. */
  aheadMs: 5 * minute,
  auditHeadIntervalMs: 1 * hour,
  manifestsPendingMax: 10_000,
  /** Peers that are asked for their view of the log after each change. */
  gossipPeers: 3,
  /** What somebody else was shown and we are not yet: by the next beat it must have come. */
  withheldMs: 50 * second,
} as const
