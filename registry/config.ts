import { open, readFile } from 'node:fs/promises'
import { z } from 'zod'
import { AuditExportConfig } from '#protocol/audit-message.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { Kid, OrganizationOid, PublicJwk } from '#protocol/ids.ts'
import type { PrivateJwk } from '#protocol/ids.ts'
import { checkPrivateKey } from '#protocol/keys.ts'
import { NewAccount } from './accounts.ts'

export const RegistryConfig = z.strictObject({
  $schema: z.string().exactOptional(),
  dataDir: z.string().min(1),
  /** Private key (JWK, mode 0600): the registry's libp2p identity, named by the trust list. */
  keyFile: z.string().min(1),
  /** Private key (JWK, mode 0600) of an issuer of the trust list: signs grants, epochs and beats. */
  issuerKeyFile: z.string().min(1),
  /** Private key (JWK, mode 0600) of the transparency log that the trust list names; without it there is no log. */
  logKeyFile: z.string().min(1).exactOptional(),
  /** The trust list, signed by the authority whose fingerprint is pinned here. */
  trustListFile: z.string().min(1),
  authority: Kid,
  http: z.strictObject({
    host: z.string().min(1),
    port: z.int().min(0).max(65_535),
    cookieName: z.string().default('__Host-cami'),
    secureCookie: z.boolean().default(true),
    /** Values of the Host header that are answered; empty: the listening address only. */
    allowedHosts: z.array(z.string()).default([]),
    /** Where `npm run build` leaves the operator's screens. */
    screensDir: z.string().default('dist/operator'),
    /** In how many working days a form should be decided; the screens mark what is older. */
    reviewDays: z.int().min(1).max(60).default(5),
  }),
  /** Where every audit record is sent, too: syslog over TLS. */
  auditExport: AuditExportConfig.exactOptional(),
  peer: z.strictObject({ listen: z.array(z.string()).min(1) }),
  /** Issued credentials to publish, one compact token in each file. */
  credentials: z.array(z.string().min(1)).default([]),
  /** Organizations that may neither serve nor fetch until they are taken off this list. */
  suspended: z.array(OrganizationOid).default([]),
  /** Key (32 bytes, base64url, mode 0600) that seals personal data; made in `dataDir` when this is left out. */
  dataKeyFile: z.string().min(1).exactOptional(),
  /** The first accounts of the operator's people (mode 0600; holds passwords). */
  accountsFile: z.string().min(1).exactOptional(),
  /** `required`: no grant without a registered form № 5. */
  form5: z.enum(['optional', 'required']).default('optional'),
})
export type RegistryConfig = z.infer<typeof RegistryConfig>

/** One of the operator's people, as the accounts file has them. */
export const SeededAccount = NewAccount.extend({
  login: z.string().regex(/^[a-z0-9][a-z0-9._@-]{1,63}$/),
  password: z.string().min(1).max(1024),
  totpSecret: z.string().exactOptional(),
})

/** The configuration file as a JSON Schema, for editors. */
export const configSchema = () => z.toJSONSchema(RegistryConfig, { io: 'input' })

const KeyFile = z.strictObject({
  ...PublicJwk.shape,
  d: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
})

const invalid = (message: string, cause?: unknown): ProtocolError =>
  new ProtocolError('configuration_invalid', message, { cause })

/** Reads and checks the configuration; the error is one sentence that names file, field and remedy. */
export async function readRegistryConfig(file: string): Promise<RegistryConfig> {
  const parsed = RegistryConfig.safeParse(await readJson(file))
  if (parsed.success) return parsed.data
  throw invalid(`${file}: ${sentenceOf(parsed.error.issues)}`)
}

/** A misspelt name explains what is missing, so it is named first. */
function sentenceOf(issues: readonly z.core.$ZodIssue[]): string {
  const unknown = issues.find((issue) => issue.code === 'unrecognized_keys')
  if (unknown !== undefined) {
    const field = [...unknown.path, unknown.keys[0] ?? ''].join('.')
    return `field "${field}" is not known; remove it or correct its name`
  }
  const [issue] = issues
  return `field "${issue?.path.join('.') ?? ''}": ${issue?.message ?? 'is wrong'}; correct it`
}

/** A private key as `certs` writes it; refused when others on this machine could read it. */
export async function readPrivateKey(file: string): Promise<PrivateJwk> {
  await checkSecret(file, 'key')
  const parsed = KeyFile.safeParse(await readJson(file))
  if (!parsed.success) throw invalid(`${file} is not a private Ed25519 key: make one with certs`)
  try {
    checkPrivateKey(parsed.data)
  } catch (cause) {
    throw invalid(`${file} holds a key that proves nothing: make a new one with certs`, cause)
  }
  return parsed.data
}

/** The first accounts; none when no file is configured. */
export async function readAccountsFile(
  file: string | undefined,
): Promise<z.infer<typeof SeededAccount>[]> {
  if (file === undefined) return []
  await checkSecret(file, 'accounts file')
  const parsed = z.array(SeededAccount).safeParse(await readJson(file))
  if (parsed.success) return parsed.data
  throw invalid(`${file}: ${sentenceOf(parsed.error.issues)}`)
}

async function checkSecret(file: string, what: string): Promise<void> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw invalid(`cannot read the ${what} ${file}: check the path`, cause)
  })
  try {
    const { mode } = await handle.stat()
    if ((mode & 0o077) !== 0) {
      throw invalid(`the ${what} ${file} can be read by others: run chmod 600 on it`)
    }
  } finally {
    await handle.close()
  }
}

/** One compact token, as `certs` writes it. */
export async function readToken(file: string): Promise<string> {
  return (await readText(file)).trim()
}

async function readJson(file: string): Promise<unknown> {
  const text = await readText(file)
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw invalid(`${file} is not JSON: correct it`, cause)
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw invalid(`cannot read ${file}: check the path`, cause)
  }
}
