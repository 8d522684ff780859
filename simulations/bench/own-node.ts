import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { loginsOf, seedAccounts } from '../accounts.ts'
import { signIn } from '../client.ts'
import { ensureCertificate } from '../certificate.ts'
import { nodeConfig } from '../configuration.ts'
import { createIdentities } from '../identities.ts'
import { freePorts, members, type Member } from '../layout.ts'
import { startProgram, type Program } from '../programs.ts'
import type { Account } from '../region-file.ts'
import type { NodeConfig } from '../../node/config.ts'

/** The product as a hospital runs it: a process of its own, real configuration, synced acknowledgements. No registry is in reach. */
export type OwnNode = AsyncDisposable & {
  readonly pid: number
  readonly url: string
  readonly dimse: { host: string; port: number; aeTitle: string }
  /** A bearer token of the radiologist. */
  readonly token: string
}

export type Prepared = { config: NodeConfig; file: string; account: Account; member: Member }

/** Keys, accounts and configuration of a node in a folder; nothing runs yet. */
export async function prepareNode(
  dataDir: string,
  change: (config: NodeConfig) => NodeConfig = (config) => config,
): Promise<Prepared> {
  const [member] = members(1)
  const ports = await freePorts(1)
  const [at] = ports.nodes
  if (member === undefined || at === undefined) throw new Error('no member')
  const { key } = member
  for (const folder of ['registry', key]) {
    await mkdir(path.join(dataDir, folder), { recursive: true, mode: 0o700 })
  }
  await ensureCertificate({ dataDir, key, now: Date.now() })
  const identities = await createIdentities({ seed: 1, dataDir, organizations: [member] })
  const accounts = loginsOf(await seedAccounts({ seed: 2, key, dataDir }))
  const account = accounts.find(({ role }) => role === 'radiologist')
  if (account === undefined) throw new Error('no radiologist')
  const config = change(nodeConfig({ dataDir, member, at, ports, identities }))
  const file = path.join(dataDir, key, 'config.json')
  await writeFile(file, JSON.stringify(config))
  return { config, file, account, member }
}

export async function startNode({ config, file, account, member }: Prepared): Promise<OwnNode> {
  const logFile = path.join(config.dataDir, 'diagnostics.log')
  const program: Program = await startProgram({
    main: 'node/main.ts',
    config: file,
    logFile,
    readyMs: 120_000,
  })
  const { token } = await signIn(program.ready.http, account)
  return {
    pid: program.pid,
    url: program.ready.http,
    dimse: { host: '127.0.0.1', port: config.dimse.port, aeTitle: member.aeTitle },
    token,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}
