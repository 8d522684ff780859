import { OrganizationOid, REGISTRY, ulid, urnOf } from '#protocol/ids.ts'
import type { Kid, PublicJwk } from '#protocol/ids.ts'
import { credentialKind } from '#protocol/credential.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { createSigner, decodeToken } from '#protocol/jws.ts'
import { thumbprint } from '#protocol/keys.ts'
import { tokenLimits } from '#protocol/limits.ts'
import { signRekey, verifyRekey } from '#protocol/rekey.ts'
import type { Arguments } from './arguments.ts'
import type { Io } from './commands.ts'
import { describeKey } from './describe-key.ts'
import { readKeyFile, readSmallFile, writeNewFile } from './key-file.ts'

/** The organization says, with both keys, which key follows; it has a day to hand that in. */
export async function changeKey(given: Arguments, io: Io): Promise<void> {
  const old = await readKeyFile(given.text('old'))
  const next = await readKeyFile(given.text('new'))
  const oid = given.value('oid', OrganizationOid, 'an organization OID of the ФРМО register')
  const out = given.text('out')
  const now = io.clock()
  const iat = Math.floor(now / 1000)
  const exp = iat + tokenLimits.rekeyLifetimeSeconds
  const token = await signRekey(
    { iss: urnOf(oid), aud: REGISTRY, jti: ulid(now, io.random(10)), iat, exp },
    { old: await createSigner(old), next: await createSigner(next) },
  )
  await writeNewFile(out, `${token}\n`, 0o644)
  io.out(await describeKey(next))
}

/** The key before, when the organization has said itself that this one follows it. */
export async function keyBefore(
  given: Arguments,
  { oid, jwk, now }: { oid: OrganizationOid; jwk: PublicJwk; now: number },
): Promise<Kid | undefined> {
  const [rekey, previous] = [given.optional('rekey'), given.optional('previous')]
  if (rekey === undefined && previous === undefined) return undefined
  if (rekey === undefined || previous === undefined) {
    throw invalid('credential: --rekey and --previous belong together: give both or none')
  }
  const before = decodeToken(await readToken(previous), credentialKind).claims
  const old = before.cnf.jwk
  const oldKid = await thumbprint(old)
  const { next } = await verifyRekey(await readToken(rekey), {
    keyOf: (kid, organization) => (kid === oldKid && organization === oid ? old : undefined),
    now,
  })
  if (before.sub !== urnOf(oid) || next !== (await thumbprint(jwk))) {
    throw invalid(`credential: ${rekey} is not about --oid and --key: give those of the change`)
  }
  return oldKid
}

const invalid = (message: string): ProtocolError =>
  new ProtocolError('configuration_invalid', message)

async function readToken(file: string): Promise<string> {
  return (await readSmallFile(file, tokenLimits.credentialBytes + 2)).trim()
}
