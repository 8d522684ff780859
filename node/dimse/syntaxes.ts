import { isStorage } from '../dicom/storage-classes.ts'

/** Verification (C-ECHO). */
export const verification = '1.2.840.10008.1.1'

/** Storage Commitment Push Model. Who reports on it on an association of its own is its provider (PS3.4 §J.3.3). */
export const commitmentClass = '1.2.840.10008.1.20.1'

/**
 * Syntaxes whose data sets we can walk and keep. Not among them: the deflated one (every sender can do without, and
 * none of the defences against bombs is needed here), JPIP (no pixels inside), and vendors' own.
 */
const transferSyntaxPattern =
  /^1\.2\.840\.10008\.1\.2(?:|\.1|\.1\.98|\.2|\.5|\.8\.1|\.4\.(?:5\d|6[0-6]|70|8[01]|9[0-3]|10[0-6](?:\.1)?|10[78]|11[0-2]|20[1-3]))$/

const isTransferSyntax = (uid: string): boolean => transferSyntaxPattern.test(uid)

/** Uncompressed: enough for Verification, which has no data set. */
const isUncompressed = (uid: string): boolean => /^1\.2\.840\.10008\.1\.2(?:|\.1|\.2)$/.test(uid)

/** For the data sets of services: every peer must offer the implicit one (PS3.5 §10.1). */
const isPlainLittle = (uid: string): boolean => /^1\.2\.840\.10008\.1\.2(?:|\.1)$/.test(uid)

/** Which side of a SOP class the peer plays (PS3.7 §D.3.3.4); without negotiation it is the user only. */
export type Roles = { user: boolean; provider: boolean }

/** The answer to one presentation context (PS3.8 §9.3.3.2). */
export type Choice =
  | { result: 'accepted'; transferSyntax: string; roles?: Roles }
  | { result: 'abstract-syntax-not-supported' | 'transfer-syntaxes-not-supported' }

/** What one caller is offered. */
export type Offer = {
  /** SOP classes of services beside storage and verification. */
  isService?: (abstractSyntax: string) => boolean
  /** What the caller proposed to be. */
  rolesOf?: (abstractSyntax: string) => Roles | undefined
  /** It may take instances from us on its own association (C-GET). */
  mayRetrieve?: boolean
}

/**
 * The first acceptable syntax of the sender's list: senders put what the data is already in first, and the original
 * encoding is what we want to keep.
 */
export function choose(
  abstractSyntax: string,
  transferSyntaxes: readonly string[],
  { isService, rolesOf, mayRetrieve = false }: Offer = {},
): Choice {
  const acceptable =
    abstractSyntax === verification
      ? isUncompressed
      : isService?.(abstractSyntax) === true
        ? isPlainLittle
        : isStorage(abstractSyntax)
          ? isTransferSyntax
          : undefined
  if (acceptable === undefined) return { result: 'abstract-syntax-not-supported' }
  const transferSyntax = transferSyntaxes.find(acceptable)
  if (transferSyntax === undefined) return { result: 'transfer-syntaxes-not-supported' }
  const proposed = rolesOf?.(abstractSyntax)
  if (proposed === undefined) return { result: 'accepted', transferSyntax }
  const { user } = proposed
  const mayProvide =
    acceptable === isTransferSyntax ? mayRetrieve : abstractSyntax === commitmentClass
  const provider = proposed.provider && mayProvide
  return { result: 'accepted', transferSyntax, roles: { user, provider } }
}
