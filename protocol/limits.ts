/** Every maximum, deadline and window of the federation, in one place. Units are last in the name. */
const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** Signed things, in bytes of the compact serialization. */
export const tokenLimits = {
  assertionBytes: 4 * KiB,
  credentialBytes: 16 * KiB,
  rekeyBytes: 4 * KiB,
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
  grantLifetimeSeconds: 400 * 24 * 3600,
  trustListLifetimeSeconds: 1830 * 24 * 3600,
  clockToleranceSeconds: 60,
  sessionAgeHoursMax: 12,
  keyFileBytes: 4 * KiB,
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
  replayEntriesMax: 100_000,
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
  /** The holder is asked again after this time, whether or not the bytes are here. */
  askIntervalMs: 5 * minute,
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
  sweepIntervalMs: 30 * second,
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

export const indexLimits = {
  entryIntervalMs: 10 * second,
  /** How long the first of several changes waits for the others. */
  gatherMs: 200,
  pushBatch: 64,
  followBatch: 64,
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
} as const

/** DIMSE (PS3.8). */
export const dimseLimits = {
  associateBytes: 64 * KiB,
  maximumPduBytes: 131_072,
  dataPduBytes: 262_144 + 6,
  controlPduBytes: 64,
  commandBytes: 64 * KiB,
  peerMaximumPduBytesMin: 4096,
  associationTimeoutMs: 10 * second,
  idleTimeoutMs: 60 * second,
  /** The same for an association on which nothing whole has come yet. */
  unprovenTimeoutMs: 20 * second,
  /** So much of something is as good as something whole. */
  provenBytes: 64 * KiB,
  rateWindowMs: 20 * second,
  rateBytesPerSecondMin: 1 * KiB,
  associationsMax: 64,
  associationsPerAddress: 16,
  /** Sockets without an association: not yet, or not any more. */
  pendingMax: 128,
  pendingPerAddress: 32,
  contextsMax: 128,
  syntaxesPerContext: 128,
  /** How often the deadlines of all associations are looked at. */
  sweepIntervalMs: 1 * second,
  /** After a rejection or a release the peer closes; then we do. */
  closeTimeoutMs: 5 * second,
  /** What is read and thrown away meanwhile. */
  closeBytesMax: 1 * MiB,
  /** What the archive may take for one answer. */
  storeTimeoutMs: 2 * minute,
  /** Unsent responses above this stop the reading of further requests. */
  responseQueueBytes: 64 * KiB,
  /** Data sets of services that are not offered are read only to be refused. */
  identifierBytes: 1 * MiB,
  connectTimeoutMs: 10 * second,
  /** Responses to a request of ours that were not looked at yet, above which the peer is not read. */
  repliesAhead: 64,
  /** For a peer's answer to what we sent. */
  responseTimeoutMs: 2 * minute,
  /** One security alert per caller and reason in this time. */
  alertIntervalMs: 1 * minute,
  alertsMax: 1024,
} as const

/** The register of apparatus. */
export const deviceLimits = { devicesMax: 10_000 } as const

/** Referrals, and what devices report of them. */
export const worklistLimits = {
  referralsOpenMax: 20_000,
  stepsMax: 16,
  performedPerStepMax: 16,
  /** Instances of one performed step. */
  madePerStepMax: 10_000,
  /** Ended steps whose instances are still waited for. */
  awaitingStepsMax: 1024,
  /** Rows of one answer to a worklist query. */
  resultsMax: 1000,
} as const

/** Storage commitment (PS3.4 §J). */
export const commitmentLimits = {
  /** Instances of one transaction. */
  referencesMax: 5000,
  /** The report goes out on the association of its request, or after this time on another. */
  reportDelayMs: 30 * second,
  /** How long we ourselves wait for a report on the association of our request. */
  reportWaitMs: 10 * second,
} as const

/** Studies that are sent on (routes). */
export const sendLimits = {
  /** Targets that are sent to at a time. */
  targetsMax: 4,
  /** Changed studies that are looked at in one go. */
  changesPerRead: 256,
  /** What arrives meanwhile is sent with it. */
  settleMs: 2 * second,
  /** Answers of the target after which it is written down what it has. */
  progressEvery: 64,
} as const

/** Work for peers that may be out of reach. */
export const queueLimits = {
  jobsMax: 10_000,
  endedKept: 1000,
  attemptsMax: 20,
  delayMs: 10 * second,
  delayMsMax: 1 * hour,
} as const

/** Query and retrieval over DIMSE (PS3.4 §C). */
export const queryLimits = {
  keysMax: 256,
  /** Of one key: a list of UIDs may be long. */
  valuesMax: 10_000,
  /** Responses to one C-FIND; who gets so many narrows the query. */
  matchesMax: 10_000,
  /** Responses between two turns of everybody else. */
  matchesPerTurn: 32,
  /** Instances of one C-GET or C-MOVE. */
  instancesMax: 100_000,
  /** An instance up to this length is read and verified whole before its first byte is sent. */
  aheadBytes: 4 * MiB,
  /** An instance that is written anew in Implicit VR is held in memory for it. */
  convertedBytesMax: 64 * MiB,
  /** Sub-operations that fail one after the other before a destination is given up. */
  failuresInRowMax: 3,
  /** SOP Instance UIDs that a response names as failed: what fits into one value of Explicit VR. */
  failedListMax: 1000,
} as const

/** One data set (PS3.5). */
export const instanceLimits = {
  instanceBytes: 2 * GiB,
  /** Element headers, texts and small values; an enhanced object of ten thousand frames has such a header. */
  headerBytes: 16 * MiB,
  depthMax: 128,
  elementsMax: 2_000_000,
  /** Elements and items that are shown of a header, and elements of one data set or item; all are kept. */
  shownElementsMax: 300_000,
  shownElementsPerItem: 16_384,
  textValueBytes: 4 * MiB,
  binaryValueBytes: 512 * MiB,
  fragmentsMax: 1_000_000,
  framesMax: 65_535,
  /** Rows and columns, whatever the width of the number that holds them. */
  sideMax: 65_535,
  /** Preamble and meta header of a file (PS3.10 §7.1). */
  fileMetaBytes: 64 * KiB,
  /** What is read at once of a stored data set: a chunk, which is verified as a whole. */
  readBytes: 256 * KiB,
  /** What a deflated data set may grow to: at least this much, else this many times what has come. */
  inflatedBytesFree: 64 * MiB,
  inflationMax: 100,
} as const

export const storageLimits = {
  segmentBytes: 1 * GiB,
  gatherBytes: 4 * MiB,
  recordHeaderBytes: 256 * KiB,
  /** Records other than instances: facts of an instance with its chunk digests, index entries. */
  recordPayloadBytes: 4 * MiB,
  /** One per association that streams a large instance, and one for all small ones. */
  openSegmentsMax: 72,
  /** What is written in one go for everybody who waits. */
  groupBytes: 16 * MiB,
  /** Unwritten bytes of one instance above which its sender is asked to pause. */
  unwrittenBytes: 2 * MiB,
  /** Free 256 KiB buffers that are kept for the next instance. */
  spareBuffersMax: 64,
  /** How old the measured free space may be, in time and in bytes written since. */
  spaceAgeMs: 1 * second,
  spaceAgeBytes: 64 * MiB,
  readHandlesMax: 128,
  /** Waiting time between attempts to reopen a catalog that failed. */
  catalogRetryMs: 1 * second,
  /** What must find room before it is tried. */
  catalogProbeBytes: 256 * KiB,
  /** Changes that go into one catalog batch. */
  catalogBatchMax: 256,
  catalogCacheMax: 1024,
  /** Names whose folded form and sound are remembered. */
  foldedNamesMax: 32_768,
  /** Rows of studies that are kept parsed: a few KiB each. */
  studyRowsKeptMax: 32_768,
  /** Texts that studies are found by, of each kind: about 100 bytes each. */
  searchKeysKeptMax: 200_000,
  searchKeptPageKeys: 8192,
  /** Keys that a search reads at a time. */
  searchPageKeys: 1000,
  searchPageBytes: 256 * KiB,
  /** Attempts to see the catalog between two batches with nothing under way. */
  snapshotTriesMax: 500,
  /** Rows that whoever repairs a catalog reads at a time. */
  catalogPageRows: 500,
  catalogCacheBytes: 32 * MiB,
  catalogWriteBytes: 8 * MiB,
  catalogBlockBytes: 16 * KiB,
  /** Keys and rows that one search looks at. */
  searchScanMax: 200_000,
  quarantineListMax: 10_000,
  /** A segment of which less is alive than dead is emptied. */
  deadFractionMin: 0.5,
  groupCommitMs: 5,
  freeFractionMin: 0.05,
  freeBytesMin: 10 * GiB,
  chunkBytes: 256 * KiB,
} as const

/** Overlays: corrections, merges, rejections and releases. */
export const overlayLimits = {
  attributesMax: 64,
  valuesMax: 64,
  valueChars: 1024,
  reasonChars: 500,
  instancesMax: 1000,
  quarantinedMax: 1000,
  /** On one patient, study, series or instance. */
  perTargetMax: 1000,
  /** Merges that lead from one patient to the one whose name is shown. */
  mergeDepthMax: 16,
  /** Instances that one rejection note may name (its own size limits it too). */
  noteInstancesMax: 20_000,
} as const

/** Reading everything again (dicom.md, section 6). */
export const scrubLimits = {
  bytesPerSecond: 20 * MiB,
  passMs: 30 * 24 * hour,
  /** Between two passes, when they take less than that. */
  pauseMs: 24 * hour,
  retryMs: 10 * minute,
  sleepMsMax: 1 * hour,
  waitMsMin: 5,
  /** Above this rate of intake and reading the scrub goes slowly. */
  trafficWindowMs: 1 * second,
  trafficBytesPerSecond: 1 * MiB,
  /** Rows that differ, above which the catalog is made again instead of mended. */
  differencesMax: 100_000,
} as const

/** What leaves an archive for another place, and the space it gives back. */
export const retentionLimits = {
  everyMs: 24 * hour,
} as const

/** Records that cannot be rebuilt, and the audit log. */
export const recordLimits = {
  keyLength: 512,
  valueBytes: 1 * MiB,
} as const

export const rekeyLimits = {
  /** Earlier keys of one organization that its members learn of. */
  ancestorsMax: 16,
  /** How long the old key speaks beside the new one. */
  overlapMs: 24 * hour,
} as const

export const timeLimits = {
  /** A system clock this far behind what time must be closes access between organizations. */
  behindMs: 120 * second,
  /** One this far ahead of a beat that was just heard is not believed. */
  aheadMs: 24 * hour,
  /** How often the time is kept. */
  keepMs: 1 * minute,
} as const

export const auditLimits = {
  segmentBytes: 16 * MiB,
  /** One batch is synced at once; what comes meanwhile waits for the next. */
  batchBytes: 1 * MiB,
  pendingMax: 10_000,
  headSyncIntervalMs: 1 * second,
  resultsMax: 1000,
} as const

export const httpLimits = {
  jsonBytes: 64 * KiB,
  storeBytes: 4 * GiB,
  headersTimeoutMs: 10 * second,
  requestTimeoutMs: 30 * second,
  passwordHashesMax: 2,
  passwordQueueMax: 50,
  loginFailuresMax: 5,
  loginLockMs: 15 * minute,
  sessionIdleMs: 15 * minute,
  sessionMs: 12 * hour,
  /** How often the last use of a session is written to the disk. */
  sessionPersistMs: 1 * minute,
  sessionsPerAccount: 20,
  sessionsMax: 10_000,
  loginFailuresPerAddressHour: 50,
  loginAlertFailures: 10,
  loginTrackedMax: 10_000,
  passwordLengthMin: 15,
  passwordLengthMax: 128,
  accountsMax: 10_000,
  /** A connection on which nothing moves. */
  socketIdleMs: 2 * minute,
  connectionsMax: 1024,
  eventStreamKeepAliveMs: 15 * second,
  eventStreamMs: 5 * minute,
  eventStreamsMax: 256,
  closeTimeoutMs: 5 * second,
  resultsMax: 1000,
  resultsDefault: 100,
  /** Requests for one study by one session within this time are one opening of it in the audit. */
  openingMs: 5 * minute,
  openingsMax: 10_000,
  /** Studies of one STOW-RS request that have an audit record of their own. */
  storedStudiesAudited: 1000,
} as const

/** Frames that the node itself decodes: pictures and other transfer syntaxes. */
export const pixelLimits = {
  threads: 2,
  /** Of one frame, decoded or as stored. */
  frameBytes: 256 * MiB,
  /** What a codec may take for it. */
  codecBytes: 1 * GiB,
  heapBytes: 512 * MiB,
  deadlineMs: 20 * second,
  /** A thread without work ends. */
  idleMs: 30 * second,
  waitingMax: 256,
  /** Longest side of a picture that is asked for. */
  viewportMax: 8192,
  thumbnailSide: 200,
  jpegQuality: 90,
  /** A whole instance in a compressed syntax is put together in memory. */
  compressedBytes: 512 * MiB,
} as const

/** DICOMweb (PS3.18). */
export const dicomwebLimits = {
  searchKeysMax: 64,
  searchValueChars: 4096,
  framesPerRequest: 1024,
  /** Images whose frames' places are remembered. */
  framesCached: 64,
  /** RFC 2046 allows 70; Orthanc writes 73. */
  boundaryChars: 200,
  /** Of one part of a multipart body. */
  partHeaderBytes: 8 * KiB,
  partsMax: 10_000,
  /** What may stand before the first part. */
  preambleBytes: 64 * KiB,
  /** Metadata and bulk values of one request that stores them apart are held in memory. */
  storedMetadataBytes: 16 * MiB,
  storedBulkBytes: 256 * MiB,
} as const

/** Discs, folders and ZIP files that are brought in. */
export const mediaLimits = {
  filesMax: 100_000,
  zipBytes: 16 * GiB,
  /** A hundred thousand entries with long names. */
  zipDirectoryBytes: 64 * MiB,
  fileBytes: 2 * GiB + 64 * KiB,
  /** What a ZIP file may grow to: at least this much, else this many times its size. */
  inflatedBytesFree: 256 * MiB,
  inflationMax: 100,
  /** A DICOMDIR of a hundred thousand images. */
  directoryBytes: 128 * MiB,
  readBytes: 256 * KiB,
  /** Files of one medium that are taken in at the same time. */
  parallelFiles: 4,
  /** Imports under way, and those whose reports are kept. */
  runningMax: 2,
  importsMax: 32,
  /** Studies of one import that the audit names one by one. */
  auditedStudiesMax: 256,
} as const

/** Forms of the order and the registry's accounts. */
export const formLimits = {
  attachmentBytes: 20 * MiB,
  attachmentTimeoutMs: 5 * minute,
  /** A form of a hundred rows. */
  jsonBytes: 256 * KiB,
  activationMs: 72 * hour,
  /** Unsubmitted forms that anybody may begin, per address and hour. */
  publicDraftsPerHour: 10,
  accountsMax: 10_000,
  devicesPerOrganization: 1000,
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
  /** How far an entry's time may be ahead of its reader's. */
  aheadMs: 5 * minute,
  auditHeadIntervalMs: 1 * hour,
  manifestsPendingMax: 10_000,
  /** Peers that are asked for their view of the log after each change. */
  gossipPeers: 3,
  /** What somebody else was shown and we are not yet: by the next beat it must have come. */
  withheldMs: 50 * second,
} as const
