import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { OrganizationOid } from '#protocol/ids.ts'

const port = z.int().min(0).max(65_535)
const aeTitle = z
  .string()
  .regex(/^[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?$/)

/** A registered apparatus (form № 4); seeded from configuration until device notices create them. */
export const Device = z.strictObject({
  id: z.string().min(1).max(64),
  aeTitle,
  addresses: z.array(z.string()).min(1),
  modality: z.string().max(16),
  /** Objects that come before it are quarantined. */
  startDate: z.iso.date(),
})
export type Device = z.infer<typeof Device>

export const NodeConfig = z.strictObject({
  $schema: z.string().exactOptional(),
  organization: z.strictObject({ oid: OrganizationOid, name: z.string().min(1).max(500) }),
  dataDir: z.string().min(1),
  /** Private key (JWK, mode 0600): the libp2p identity and the signing key. */
  keyFile: z.string().min(1),
  /** The organization's credential, issued by the operator. */
  credentialFile: z.string().min(1),
  /** The trust list, signed by the authority whose fingerprint is pinned here. */
  trustListFile: z.string().min(1),
  authority: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  http: z.strictObject({
    host: z.string(),
    port,
    cookieName: z.string().default('__Host-cami'),
    secureCookie: z.boolean().default(true),
    /** Values of the Host header that are answered; empty: the listening address only. */
    allowedHosts: z.array(z.string()).default([]),
    viewerDir: z.string().default('dist/viewer'),
  }),
  admin: z.strictObject({ host: z.string(), port }).exactOptional(),
  dimse: z.strictObject({
    host: z.string(),
    port,
    aeTitle,
    /** Unknown callers from these networks are quarantined; from elsewhere refused. CIDR. */
    quarantineSubnets: z.array(z.string()).default([]),
  }),
  devices: z.array(Device).default([]),
  peer: z.strictObject({
    listen: z.array(z.string()).min(1),
    registry: z.array(z.string()).min(1),
  }),
  storage: z
    .strictObject({
      freeFractionMin: z.number().min(0).max(1),
      freeBytesMin: z.number().min(0),
    })
    .exactOptional(),
  /** The demo region: second factor off, screens say so. */
  demo: z.boolean().default(false),
})
export type NodeConfig = z.infer<typeof NodeConfig>

/** Reads and checks a configuration file; the error is one sentence that names file, field and remedy. */
export async function readConfig<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new ProtocolError('configuration_invalid', `cannot read ${file}: check the path`, {
      cause,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ProtocolError('configuration_invalid', `${file} is not JSON: correct it`, { cause })
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') ?? ''
  throw new ProtocolError(
    'configuration_invalid',
    `${file}: field "${field}": ${issue?.message ?? 'is wrong'}; correct it`,
  )
}
