import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { z } from 'zod'
import { AuditExportConfig } from '#protocol/audit-message.ts'
import { DeviceType } from '#protocol/device-type.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { Kid, OrganizationOid, PublicJwk, type PrivateJwk } from '#protocol/ids.ts'
import { checkPublicKey } from '#protocol/keys.ts'
import { RetentionPolicy } from './archive/retention.ts'
import { StorageConfig } from './archive/storage-config.ts'

const port = z.int().min(0).max(65_535)
const aeTitle = z
  .string()
  .regex(/^[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?$/)

/** A single address, or a network in CIDR notation. */
const network = z.string().refine((text) => {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}, 'is neither an address nor a network like 192.168.7.0/24')

/** SHA-256 of a certificate: 64 hexadecimal digits; colons and case make no difference. */
export const CertificateFingerprint = z
  .string()
  .max(95)
  .transform((text) => text.replaceAll(':', '').toLowerCase())
  .pipe(z.string().regex(/^[0-9a-f]{64}$/))

/** What a device may use over DIMSE. Verification is for everybody who may associate. */
export const deviceServices = [
  'store',
  'query',
  'retrieve',
  'worklist',
  'performed-step',
  'commitment',
] as const
export type DeviceService = (typeof deviceServices)[number]

/** Encodings in which devices write Cyrillic, by the names of the Encoding Standard. */
export const TextEncoding = z.enum(['utf-8', 'windows-1251', 'iso-8859-5', 'ibm866', 'koi8-r'])
export type TextEncoding = z.infer<typeof TextEncoding>

/** A registered apparatus (form № 4); seeded from configuration until device notices create them. */
export const Device = z.strictObject({
  id: z.string().min(1).max(64),
  aeTitle,
  addresses: z.array(network).min(1).max(64),
  modality: z.string().max(16),
  /** Objects that come before it are quarantined. */
  startDate: z.iso.date(),
  /** A study is complete when nothing came for so long (DQ-18); 60 where nothing is said, 300 for CT. */
  quietSeconds: z.int().min(1).max(86_400).exactOptional(),
  /** Where it listens: for C-MOVE to it and for reports of storage commitment. */
  host: z.string().min(1).max(253).exactOptional(),
  port: z.int().min(1).max(65_535).exactOptional(),
  /** It listens with TLS. */
  tls: z.boolean().exactOptional(),
  /** It is known by this client certificate only, so only over TLS. */
  certificate: CertificateFingerprint.exactOptional(),
  services: z.array(z.enum(deviceServices)).exactOptional(),
  /** Defined term of (0008,0005) in which it is answered, whatever it asks for. */
  characterSet: z.string().max(16).exactOptional(),
  /** Retrievals send it what was corrected with the corrections written in, not as it was received. */
  corrected: z.boolean().exactOptional(),
  /** In which its text is written, whatever it declares. */
  textEncoding: TextEncoding.exactOptional(),
  /** What kind of apparatus it is; says which modalities it may send. */
  type: DeviceType.exactOptional(),
  /** Offset of its clock from UTC, `+0700` where nothing is said. */
  utcOffset: z
    .string()
    .regex(/^[+-](0\d|1[0-4])[0-5]\d$/)
    .exactOptional(),
  /** By how much its clock is known to be ahead (DQ-12); its images are judged with that taken off. */
  clockAheadMinutes: z.int().min(-100_000_000).max(100_000_000).exactOptional(),
})
export type Device = z.infer<typeof Device>

/** Where objects are sent on by themselves, and which: all of the lists that are given must fit. */
const SendRouteShape = z.strictObject({
  to: z.strictObject({
    aeTitle,
    host: z.string().min(1).max(253),
    port: z.int().min(1).max(65_535),
    tls: z.boolean().exactOptional(),
    /** It must show this certificate; without it an authority must have signed it. */
    certificate: CertificateFingerprint.exactOptional(),
  }),
  /** Ids of registered devices. */
  devices: z.array(z.string().min(1).max(64)).exactOptional(),
  modalities: z.array(z.string().min(1).max(16)).exactOptional(),
  /** After sending, the target is asked whether it keeps what it got (PS3.4 §J). */
  commitment: z.boolean().default(false),
  /** It gets corrections written in, again whenever something was corrected, and not what was received. */
  corrected: z.boolean().exactOptional(),
})
/** What a target keeps of another form is no copy of what is stored here: nothing may be given up for it. */
export const SendRoute = SendRouteShape.refine(
  ({ commitment, corrected }) => !(commitment && corrected === true),
  { error: 'a target that gets corrections written in cannot commit to what is stored here' },
)
export type SendRoute = z.infer<typeof SendRoute>

export const NodeConfig = z.strictObject({
  $schema: z.string().exactOptional(),
  organization: z.strictObject({ oid: OrganizationOid, name: z.string().min(1).max(500) }),
  dataDir: z.string().min(1),
  /** Private key (JWK, mode 0600): the libp2p identity and the signing key. */
  keyFile: z.string().min(1),
  /** Private key (JWK, mode 0600) with which this node witnesses the transparency log, if the trust list names it. */
  witnessKeyFile: z.string().min(1).exactOptional(),
  /** The organization's credential, issued by the operator. */
  credentialFile: z.string().min(1),
  /** The trust list, signed by the authority whose fingerprint is pinned here. */
  trustListFile: z.string().min(1),
  authority: Kid,
  http: z.strictObject({
    host: z.string(),
    port,
    cookieName: z.string().default('__Host-cami'),
    secureCookie: z.boolean().default(true),
    /** Values of the Host header that are answered; empty: the listening address only. */
    allowedHosts: z.array(z.string()).default([]),
    viewerDir: z.string().default('dist/viewer'),
    /** Origins (`https://viewer.example`) whose pages may use DICOMweb with a bearer token; none by default. */
    allowedOrigins: z.array(z.url()).default([]),
    /** DELETE over DICOMweb hides what it names, for a reason, or is refused. */
    deletePolicy: z.enum(['reject', 'refuse']).default('reject'),
  }),
  admin: z.strictObject({ host: z.string(), port }).exactOptional(),
  /** Where every audit record is sent, too: syslog over TLS. */
  auditExport: AuditExportConfig.exactOptional(),
  dimse: z.strictObject({
    host: z.string(),
    port,
    aeTitle,
    /** Unknown callers from these networks are quarantined; from elsewhere refused. CIDR. */
    quarantineSubnets: z.array(network).default([]),
    /** The same services over TLS, on a port of their own (PEM files). */
    tls: z
      .strictObject({
        port,
        certificateFile: z.string().min(1),
        keyFile: z.string().min(1),
        /** Whose client certificates are accepted; without it they are known by their fingerprints alone. */
        authorityFile: z.string().min(1).exactOptional(),
      })
      .exactOptional(),
  }),
  devices: z.array(Device).default([]),
  routes: z.array(SendRoute).max(64).exactOptional(),
  peer: z.strictObject({
    listen: z.array(z.string()).min(1),
    registry: z.array(z.string()).min(1),
  }),
  storage: StorageConfig.exactOptional(),
  /** When bytes leave that another place is known to keep; without it nothing ever does. */
  retention: RetentionPolicy.exactOptional(),
  /** Where discs are mounted that may be imported; below it only. */
  mediaDir: z.string().min(1).exactOptional(),
  /** Key (32 bytes, base64url, mode 0600) that seals second factors; made in `dataDir` when this is left out. */
  dataKeyFile: z.string().min(1).exactOptional(),
  /** The first accounts, read once by a node that has none (mode 0600; holds passwords). */
  accountsFile: z.string().min(1).exactOptional(),
  /** The demo region: second factor off, screens say so. */
  demo: z.boolean().default(false),
})
export type NodeConfig = z.infer<typeof NodeConfig>

/** The published JSON Schema of the configuration file. */
export const configSchema = (): unknown => z.toJSONSchema(NodeConfig, { io: 'input' })

const invalid = (message: string, cause?: unknown) =>
  new ProtocolError('configuration_invalid', message, { cause })

/** Reads and checks a configuration file; the error is one sentence that names file, field and remedy. */
export async function readConfig<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(await readJson(file))
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

const KeyFile = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.base64url().length(43),
  d: z.base64url().length(43),
})

/** Reads a private key (JWK) that nobody else on this machine can read. */
export async function readPrivateKey(file: string): Promise<PrivateJwk> {
  const value = await readJson(file)
  const { mode } = await stat(file)
  if ((mode & 0o077) !== 0) {
    throw invalid(`${file} is a private key and others can read it: run chmod 600 ${file}`)
  }
  const parsed = KeyFile.safeParse(value)
  if (!parsed.success) throw invalid(`${file} is not an Ed25519 private key: make one with certs`)
  const { d, ...jwk } = parsed.data
  if (!isPair(parsed.data)) throw invalid(`${file}: "x" does not belong to "d"; restore the file`)
  const key = PublicJwk.parse(jwk)
  try {
    checkPublicKey(key)
  } catch (cause) {
    throw invalid(`${file} is a weak key: make one with certs`, cause)
  }
  return { ...key, d }
}

function isPair(jwk: z.infer<typeof KeyFile>): boolean {
  const secret = createPrivateKey({ key: jwk, format: 'jwk' })
  const probe = Buffer.from('cami')
  const signature = sign(null, probe, secret)
  const { d: _, ...rest } = jwk
  return verify(null, probe, createPublicKey({ key: rest, format: 'jwk' }), signature)
}

async function readJson(file: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw invalid(`cannot read ${file}: check the path and its permissions`, cause)
  }
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw invalid(`${file} is not JSON: correct it`, cause)
  }
}
