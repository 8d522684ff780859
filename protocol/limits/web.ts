import { KiB, MiB, GiB, second, minute, hour } from './units.ts'

/** HTTP: people, DICOMweb, forms. */

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
  /** How often it is looked whether the session of an answer under way is over. */
  sessionCheckMs: 10 * second,
  /** How often the last use of a session is written to the disk. */
  sessionPersistMs: 1 * minute,
  sessionsPerAccount: 20,
  sessionsMax: 10_000,
  loginFailuresPerAddressHour: 50,
  loginAlertFailures: 10,
  loginTrackedMax: 10_000,
  /** Wrong codes of one person, whose password was right, in `loginLockMs`. */
  codeFailuresMax: 5,
  /** How long a new second factor waits for its first code. */
  enrolmentMs: 10 * minute,
  recoveryCodes: 10,
  passwordLengthMin: 15,
  /** Where a second factor is asked for, too. */
  passwordLengthMinWithFactor: 12,
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
  /** What a page asks for by itself, again and again, is one query of its session in this time. */
  pollingMs: 1 * hour,
  /** Studies of one STOW-RS request that have an audit record of their own. */
  storedStudiesAudited: 1000,
} as const

/** DICOMweb (PS3.18). */
export const dicomwebLimits = {
  searchKeysMax: 64,
  searchValueChars: 4096,
  framesPerRequest: 1024,
  /** Images whose frames' places are remembered. */
  framesCached: 64,
  /** Pieces of an answer, of a megabyte at most each, that are read while one before them is sent. */
  piecesAhead: 4,
  /** RFC 2046 allows 70; Orthanc writes 73. */
  boundaryChars: 200,
  /** Of one part of a multipart body. */
  partHeaderBytes: 8 * KiB,
  partsMax: 10_000,
  /** STOW-RS requests under way, each of which may take a segment of the value log for itself. */
  storesMax: 16,
  /** Of them of one user: who is slow holds no place of others. */
  storesPerUserMax: 4,
  /** What may stand before the first part. */
  preambleBytes: 64 * KiB,
  /** Metadata and bulk values of one request that stores them apart are held in memory. */
  storedMetadataBytes: 16 * MiB,
  storedBulkBytes: 256 * MiB,
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
