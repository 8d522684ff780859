import { ProtocolError, type ErrorCode } from '#protocol/errors.ts'

/**
 * What whoever is refused is told. The true reason is for the audit: she learns nothing of the study, not even whether it
 * exists. What she herself lacks is the same for every study and no secret to her.
 */
export const refusal = (code: ErrorCode, message: string): ProtocolError =>
  new ProtocolError(code === 'second_factor_required' ? code : 'forbidden', message)
