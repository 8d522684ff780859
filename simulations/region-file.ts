import { z } from 'zod'

/** `region.json` (commands.md): what scripts, tests and people need to use a running demo region. */

export const Account = z.object({ role: z.string(), login: z.string(), password: z.string() })
export type Account = z.infer<typeof Account>

export const RegionNode = z.object({
  key: z.string(),
  organization: z.object({ oid: z.string(), name: z.string() }),
  url: z.string(),
  dicomweb: z.string(),
  peerId: z.string(),
  pid: z.int(),
  dimse: z.object({
    host: z.string(),
    port: z.int(),
    aeTitle: z.string(),
    callingAeTitles: z.array(z.string()),
    /** The same services over TLS; the certificate is what clients must trust. */
    tls: z.object({ port: z.int(), certificateFile: z.string() }).exactOptional(),
  }),
  accounts: z.array(Account),
})
export type RegionNode = z.infer<typeof RegionNode>

export const RegionFile = z.object({
  registry: z.object({
    url: z.string(),
    peerId: z.string(),
    pid: z.int(),
    accounts: z.array(Account),
  }),
  nodes: z.array(RegionNode),
})
export type RegionFile = z.infer<typeof RegionFile>
