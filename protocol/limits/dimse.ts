import { KiB, MiB, second, minute, hour } from './units.ts'

/** Associations, and what apparatus may ask and keep waiting. */

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
  /** A request that names every instance of a CT of ten thousand slices; others are read only to be refused. */
  identifierBytes: 2 * MiB,
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

/** Other archives that are asked by people of this one. */
export const remoteArchiveLimits = {
  matchesMax: 500,
  /** A C-MOVE may say nothing for as long as the other archive fetches from its tapes. */
  silenceMs: 10 * minute,
  movesRunningMax: 4,
  /** Of those that ended. */
  movesKeptMax: 100,
} as const

/** Storage commitment (PS3.4 §J). */
export const commitmentLimits = {
  /** Instances of one transaction: what `identifierBytes` holds. */
  referencesMax: 16_000,
  /** Of one that we ask for: others may have lower limits. */
  referencesAskedMax: 5000,
  /** Instances whose report has not been taken yet, over all devices. */
  referencesWaitingMax: 250_000,
  /** What one device may be owed of that, and of the reports: one that cannot be told holds up no other. */
  referencesPerDeviceMax: 64_000,
  reportsPerDeviceMax: 250,
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
  /** Those that wait, and those that failed and that somebody must see to. */
  jobsMax: 10_000,
  endedKept: 1000,
  /** Of failed ones that nobody can see to any more. */
  failedKept: 1000,
  /** The last one is made after more than three and a half days: a peer may be off over a long weekend. */
  attemptsMax: 100,
  delayMs: 10 * second,
  delayMsMax: 1 * hour,
} as const

/** Reports of storage commitment: nobody looks at an ended one, and a device that was away for hours asks anew. */
export const reportQueueLimits = {
  ...queueLimits,
  jobsMax: 1000,
  endedKept: 0,
  failedKept: 0,
  /** Each reads all of its instances again. */
  attemptsMax: 20,
} as const

/** Query and retrieval over DIMSE (PS3.4 §C). */
export const queryLimits = {
  keysMax: 256,
  /** Of one key: a list of UIDs may be long. */
  valuesMax: 10_000,
  /** Responses to one C-FIND; who gets so many narrows the query. */
  matchesMax: 10_000,
  /** Responses between two turns of everybody else. */
  matchesPerTurn: 64,
  /** Instances of one C-GET or C-MOVE. */
  instancesMax: 100_000,
  /** An instance up to this length is read and verified whole before its first byte is sent. */
  aheadBytes: 4 * MiB,
  /** Instances that are read while the one before them is sent; together about as long as one may be. */
  aheadInstances: 8,
  /** From so many on, a C-MOVE goes by two associations at the same time. */
  besideInstances: 16,
  /** An instance that is written anew in Implicit VR is held in memory for it. */
  convertedBytesMax: 64 * MiB,
  /** Sub-operations that fail one after the other before a destination is given up. */
  failuresInRowMax: 3,
  /** SOP Instance UIDs that a response names as failed: what fits into one value of Explicit VR. */
  failedListMax: 1000,
} as const
