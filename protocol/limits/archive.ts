import { KiB, MiB, GiB, second, minute, hour } from './units.ts'

/** Instances, what keeps them, what is known of them. */

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
  /** Items of one sequence that are found by. */
  indexItemsMax: 16,
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
  inflatedBytesFree: 32 * MiB,
  inflationMax: 100,
  /** What is inflated at once, and for how long before everybody else has a turn. */
  deflatedPieceBytes: 512,
  inflateTurnMs: 10,
} as const

export const storageLimits = {
  segmentBytes: 1 * GiB,
  gatherBytes: 4 * MiB,
  /** As much at once is written past the page cache. */
  directBytesMin: 128 * KiB,
  /** Memory for such writes, and how many go on at a time; others take the usual way. */
  directPieceBytes: 1 * MiB,
  directPiecesMax: 4,
  recordHeaderBytes: 256 * KiB,
  /** Records other than instances: facts of an instance with its chunk digests, index entries. */
  recordPayloadBytes: 4 * MiB,
  /** One per association, file of a medium or STOW-RS request that streams a large instance, one for all small ones. */
  openSegmentsMax: 96,
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
  /** What is read in one go of an instance: a whole number of chunks. */
  windowBytes: 1 * MiB,
  /** Free ones that are kept for the next reading. */
  spareWindowsMax: 24,
  /** Verified bytes of what was read last, and the longest instance of which they are kept. */
  recentBytes: 256 * MiB,
  recentInstanceBytes: 32 * MiB,
  /** Chunks of one instance that are being hashed, above which its sender is asked to pause. */
  hashingMax: 16,
  /** Less is hashed sooner than another thread has been told of it. */
  digestApartBytes: 64 * KiB,
  /** A processor that hashes a chunk in less time does so where the chunk came in. */
  digestNearMs: 0.35,
  /** Waiting time between attempts to reopen a catalog that failed. */
  catalogRetryMs: 1 * second,
  /** What must find room before it is tried, beside what it takes to open it. */
  catalogProbeBytes: 256 * KiB,
  /** Changes that go into one catalog batch. */
  catalogBatchMax: 256,
  /** How long a change that nobody waits for may wait for others to share its batch. */
  catalogLingerMs: 100,
  /** Acknowledged instances that the catalog may lack: with more of them the next one waits for it. */
  catalogBehindMax: 1024,
  catalogCacheMax: 1024,
  /** Names whose folded form and sound are remembered. */
  foldedNamesMax: 32_768,
  /** Rows of studies that are kept parsed: a few KiB each. */
  studyRowsKeptMax: 32_768,
  /** Rows of instances that stay parsed. */
  instanceRowsKeptMax: 2048,
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
  /** In its row, which is written with every instance and answered as one value: no study has a tenth of them. */
  sopClassesPerStudyMax: 128,
  quarantineListMax: 10_000,
  /** A segment of which less is alive than dead is emptied. */
  deadFractionMin: 0.5,
  groupCommitMs: 5,
  /** Given up when less than this fraction of it is free; made in pieces of this size. */
  ballastBytes: 256 * MiB,
  ballastLowFraction: 0.25,
  ballastPieceBytes: 1 * MiB,
  ballastLookMs: 2 * second,
  /** After it could not be made although there seemed to be room. */
  ballastRetryMs: 10 * minute,
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
  /** A performed step of a CT of ten thousand slices names each of them twice. */
  valueBytes: 4 * MiB,
  /** Rows that are read in one go, as far as they are so small together. */
  pageRows: 1000,
  pageBytes: 256 * KiB,
  /** More than opening writes: LevelDB's log, of 4 MiB at most, becomes a table. */
  probeBytes: 8 * MiB,
  /** Of a kind whose rows cannot be read, so many keys stand in the log. */
  keysLogged: 20,
} as const

export const auditLimits = {
  segmentBytes: 16 * MiB,
  /** One batch is synced at once; what comes meanwhile waits for the next. */
  batchBytes: 1 * MiB,
  pendingMax: 10_000,
  headSyncIntervalMs: 1 * second,
  resultsMax: 1000,
  /** The own audit is compared with its head in the transparency log, after the start and then so often. */
  checkAfterMs: 1 * minute,
  checkEveryMs: 24 * hour,
} as const

/** Audit records on their way to a syslog receiver. */
export const auditExportLimits = {
  batchRecords: 100,
  pollMs: 1 * second,
  connectTimeoutMs: 10 * second,
  writeTimeoutMs: 1 * minute,
  closeTimeoutMs: 5 * second,
  keepAliveMs: 30 * second,
  retryMs: 1 * second,
  retryMsMax: 1 * minute,
  /** More than the system keeps of what was written and not acknowledged. */
  settleBytes: 8 * MiB,
  /** Longer than TCP tries to send the same bytes again. */
  settleMs: 20 * minute,
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
