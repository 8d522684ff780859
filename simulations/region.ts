import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { loginsOf, seedAccounts, type SeededAccount } from './accounts.ts'
import { dimseCertificateFile, ensureCertificate } from './certificate.ts'
import { nodeConfig, registryConfig } from './configuration.ts'
import { grantAccess } from './consultation.ts'
import { createIdentities, type Identities } from './identities.ts'
import { seedOperators } from './operators.ts'
import { callingAeTitles, members, type Member, type RegionPorts } from './layout.ts'
import { startInProcess, startProgram, type Program } from './programs.ts'
import type { Account, RegionFile, RegionNode } from './region-file.ts'
import { sendSamples } from './samples.ts'

/**
 * A whole region: registry, nodes, identities, accounts, one grant (crb1's images to okb's radiologist), sample
 * studies. The same function serves `npm start`, tests and fault runs; with the same seed it makes the same people and
 * studies. Keys and passwords are made from the seed too: a simulated region protects nobody's data.
 */
export type RegionOptions = {
  seed: number
  /** `processes`: one operating-system process per program. `in-process`: all in this one, over loopback TCP. */
  mode: 'processes' | 'in-process'
  dataDir: string
  ports: RegionPorts
  /** How many nodes; the first three are `okb`, `crb1`, `crb2`. */
  members: number
  /** Send synthetic studies on the first start. */
  samples: boolean
  /** Origins whose pages may use the nodes' DICOMweb. */
  allowedOrigins?: readonly string[]
  progress?: (text: string) => void
}

export type Region = AsyncDisposable & {
  readonly description: RegionFile
  /** Path of `region.json`. */
  readonly file: string
  node(key: string): RegionNode
  account(key: string, role: string): Account
  /** Ends a program (`registry` or a node's key) at once, as a power cut would. */
  kill(key: string): Promise<void>
  /** Starts it again with the same data. */
  start(key: string): Promise<void>
  /** Rejects when a program ends that nobody stopped. */
  readonly failed: Promise<never>
}

export async function createRegion(options: RegionOptions): Promise<Region> {
  const { seed, dataDir, ports, progress = () => undefined } = options
  const file = path.join(dataDir, 'region.json')
  const isNew = !existsSync(file)
  const organizations = members(options.members)
  for (const key of ['registry', ...organizations.map(({ key }) => key)]) {
    await mkdir(path.join(dataDir, key), { recursive: true, mode: 0o700 })
  }
  progress('keys, credentials, accounts')
  const createdAt = await creationTime(dataDir)
  for (const { key } of organizations) await ensureCertificate({ dataDir, key, now: createdAt })
  const identities = await createIdentities({ seed, dataDir, organizations, now: createdAt })
  const accounts = new Map<string, SeededAccount[]>()
  for (const [index, { key }] of organizations.entries()) {
    accounts.set(key, await seedAccounts({ seed: seed + 1 + index, key, dataDir }))
  }
  const operators = await seedOperators({ seed: seed + 100_000, dataDir })
  const { allowedOrigins = [] } = options
  await writeConfigurations({ dataDir, organizations, ports, identities, allowedOrigins })

  await using programs = createPrograms(options)
  progress('registry')
  await programs.start('registry')
  progress('nodes')
  // Also when one does not start all others have to be heard of, or nobody would end them.
  const started = await Promise.allSettled(organizations.map(({ key }) => programs.start(key)))
  for (const one of started) if (one.status === 'rejected') throw one.reason

  const description = describe({ dataDir, organizations, ports, programs, accounts, operators })
  if (isNew) {
    progress('grant of form № 5: crb1 → okb')
    const reader = accounts.get('okb')?.find(({ roles }) => roles.includes('radiologist'))
    if (reader === undefined) throw new Error('okb has no radiologist')
    const [grantee, holder] = [nodeOf(description, 'okb'), nodeOf(description, 'crb1')]
    await grantAccess({ registry: description.registry, holder, grantee, reader })
  }
  if (isNew && options.samples) {
    for (const [index, node] of description.nodes.entries()) {
      progress(`sample studies of ${node.key}`)
      await sendSamples({ node, index, seed, now: createdAt })
    }
  }
  await writeFile(file, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
  const owned = programs.move()
  return {
    description,
    file,
    node: (key) => nodeOf(description, key),
    account: (key, role) => accountOf(description, key, role),
    failed: programs.failed,
    kill: programs.kill,
    start: programs.start,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** When the region was first made: an interrupted first start must make the same studies again. */
async function creationTime(dataDir: string): Promise<number> {
  const file = path.join(dataDir, 'created')
  if (!existsSync(file)) await writeFile(file, `${Date.now()}\n`)
  return Number(await readFile(file, 'utf8'))
}

/** The running programs by key, `registry` or a node's. */
type Programs = AsyncDisposable & {
  get(key: string): Program | undefined
  start(key: string): Promise<void>
  kill(key: string): Promise<void>
  readonly failed: Promise<never>
  /** Hands the ownership on: this object's disposal ends nothing from then on. */
  move(): AsyncDisposableStack
}

function createPrograms({ mode, dataDir }: Pick<RegionOptions, 'mode' | 'dataDir'>): Programs {
  const running = new Map<string, Program>()
  const expected = new Set<string>()
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const stack = new AsyncDisposableStack()
  stack.defer(async () => {
    for (const key of running.keys()) expected.add(key)
    // Nodes first: a registry that leaves last sees them go.
    const { registry, ...nodes } = Object.fromEntries(running)
    await Promise.all(Object.values(nodes).map((node) => node[Symbol.asyncDispose]()))
    await registry?.[Symbol.asyncDispose]()
  })
  const launch = mode === 'processes' ? startProgram : startInProcess
  return {
    get: (key) => running.get(key),
    failed: failure.promise,
    async start(key) {
      const program = await launch({
        main: key === 'registry' ? 'registry/main.ts' : 'node/main.ts',
        config: path.join(dataDir, key, 'config.json'),
        logFile: path.join(dataDir, key, 'diagnostics.log'),
      })
      running.set(key, program)
      expected.delete(key)
      void program.ended.then((how) => {
        if (running.get(key) === program && !expected.has(key)) {
          failure.reject(new Error(`${key} ended by itself (${how})`))
        }
      })
    },
    async kill(key) {
      expected.add(key)
      await running.get(key)?.kill('SIGKILL')
    },
    move: () => stack.move(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function writeConfigurations(options: {
  dataDir: string
  organizations: Member[]
  ports: RegionPorts
  identities: Identities
  allowedOrigins: readonly string[]
}): Promise<void> {
  const { dataDir, organizations, ports, ...rest } = options
  const write = (key: string, config: unknown) =>
    writeFile(path.join(dataDir, key, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
  await write('registry', registryConfig({ dataDir, ports, ...rest }))
  for (const [index, member] of organizations.entries()) {
    const at = ports.nodes[index]
    if (at === undefined) throw new Error(`no ports for ${member.key}`)
    await write(member.key, nodeConfig({ dataDir, member, at, ports, ...rest }))
  }
}

function describe(options: {
  dataDir: string
  organizations: Member[]
  ports: RegionPorts
  programs: Pick<Programs, 'get'>
  accounts: Map<string, SeededAccount[]>
  operators: Account[]
}): RegionFile {
  const { dataDir, organizations, ports, programs, accounts, operators } = options
  const program = (key: string) => {
    const { ready, pid } = programs.get(key) ?? {}
    return { url: ready?.http ?? '', peerId: ready?.peerId ?? '', pid: pid ?? 0 }
  }
  return {
    registry: { ...program('registry'), accounts: operators },
    nodes: organizations.map(({ key, oid, name, aeTitle }, index) => ({
      key,
      organization: { oid, name },
      ...program(key),
      dicomweb: `${program(key).url}/dicom-web`,
      dimse: {
        host: '127.0.0.1',
        port: ports.nodes[index]?.dimse ?? 0,
        aeTitle,
        callingAeTitles,
        tls: {
          port: ports.nodes[index]?.dimseTls ?? 0,
          certificateFile: dimseCertificateFile(dataDir, key),
        },
      },
      accounts: loginsOf(accounts.get(key) ?? []),
    })),
  }
}

function nodeOf(description: RegionFile, key: string): RegionNode {
  const found = description.nodes.find((node) => node.key === key)
  if (found === undefined) throw new Error(`the region has no node ${key}`)
  return found
}

function accountOf(description: RegionFile, key: string, role: string): Account {
  const found = nodeOf(description, key).accounts.find((account) => account.role === role)
  if (found === undefined) throw new Error(`${key} has no ${role}`)
  return found
}
