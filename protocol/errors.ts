/** Every error that can cross a boundary: the code is the contract, the message is for people who read logs. */
export const errorCodes = [
  // requests in general
  'bad_request',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'too_large',
  'rate_limited',
  'unsupported',
  'not_acceptable',
  'timeout',
  'aborted',
  'unavailable',
  'internal',
  // tokens
  'token_malformed',
  'token_wrong_type',
  'token_unknown_key',
  'token_bad_signature',
  'token_wrong_issuer',
  'token_wrong_audience',
  'token_expired',
  'token_not_yet_valid',
  'token_replayed',
  // identities and the decision
  'key_weak',
  'peer_unknown',
  'peer_suspended',
  'peer_mismatch',
  'credential_expired',
  'key_revoked',
  'rekey_unproven',
  'possession_unproven',
  'trust_rollback',
  'trust_equivocation',
  'epoch_absent',
  'epoch_stale',
  'epoch_rollback',
  'epoch_equivocation',
  'grant_absent',
  'grant_inactive',
  'grant_mismatch',
  'grant_foreign',
  'grant_not_yet_valid',
  'grant_expired',
  'grant_key_unpinned',
  'grant_unsigned',
  'user_not_named',
  'user_disabled',
  'role_missing',
  'operation_not_granted',
  'purpose_not_granted',
  'study_mismatch',
  'study_not_held',
  'study_out_of_scope',
  'study_withheld',
  'second_factor_required',
  'organization_restricted',
  /** Access without a grant: the holder has none, this one has ended, or it was another's. */
  'emergency_not_offered',
  'emergency_over',
  'emergency_mismatch',
  'session_too_old',
  'audit_unavailable',
  /** Holder and grantee tell different stories of an access, or one of them tells none. */
  'audit_mismatch',
  /** The system clock, against what the registry has signed or what the node has known before. */
  'clock_behind',
  'clock_ahead',
  // index log, manifests, transfer
  'log_gap',
  'log_fork',
  'log_foreign',
  'log_malformed',
  /** Two things that a transparency log signed cannot both be true. */
  'log_inconsistent',
  /** Too few witnesses, or too long ago. */
  'log_unwitnessed',
  'manifest_mismatch',
  'chunk_mismatch',
  'digest_mismatch',
  'holder_unreachable',
  'frame_too_large',
  'frame_malformed',
  'stream_closed',
  'version_unsupported',
  // instances and the archive
  'instance_malformed',
  'instance_truncated',
  'instance_too_complex',
  'instance_conflict',
  'instance_mismatch',
  /** The bytes were moved elsewhere; the message says where. */
  'instance_evicted',
  'storage_full',
  'storage_corrupt',
  'storage_failed',
  // start-up
  'configuration_invalid',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** An operational failure. Programmer errors use `node:assert` instead and end the process. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/**
 * A request that is wrong, in words that whoever sent it is told: they are fixed where it is thrown, and no value of the
 * request stands in them.
 */
export class WrongRequest extends ProtocolError {
  constructor(detail: string, options?: { cause?: unknown }) {
    super('bad_request', detail, options)
  }
}

/** The code of anything thrown: unknown failures are `internal` and never leak their text. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof ProtocolError ? error.code : 'internal'
}
