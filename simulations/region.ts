import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { callingAeTitles, members, type Member, type RegionPorts } from './layout.ts'
import { createIdentities, type Identities } from './identities.ts'
import { nodeConfig, registryConfig } from './configuration.ts'
import { seedAccounts, seedOperator } from './accounts.ts'
import { startInProcess, startProgram, type Program } from './programs.ts'
import { grantAccess } from './consultation.ts'
import { sendSamples } from './samples.ts'
import { RegionFile, type Account, type RegionNode } from './region-file.ts'

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
  const { dataDir, ports, progress = () => undefined } = options
  const file = path.join(dataDir, 'region.json')
  const isNew = !existsSync(file)
  const organizations = members(options.members)
  const homes = new Map(organizations.map(({ key }) => [key, path.join(dataDir, key)]))
  for (const home of [path.join(dataDir, 'registry'), ...homes.values()]) {
    await mkdir(home, { recursive: true, mode: 0o700 })
  }
  progress('keys and credentials')
  const identities = await createIdentities({ seed: options.seed, dataDir, organizations })
  const accounts = isNew
    ? await createAccounts({ seed: options.seed, dataDir, organizations })
    : accountsOf(RegionFile.parse(JSON.parse(await readFile(file, 'utf8'))))
  await writeConfigurations({ dataDir, organizations, ports, identities })

  await using started = new AsyncDisposableStack()
  const programs = new Map<string, Program>()
  const expected = new Set<string>()
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  started.defer(async () => {
    for (const key of programs.keys()) expected.add(key)
    // Nodes first: a registry that leaves last sees them go.
    const { registry, ...nodes } = Object.fromEntries(programs)
    await Promise.all(Object.values(nodes).map((node) => node[Symbol.asyncDispose]()))
    await registry?.[Symbol.asyncDispose]()
  })
  const start = async (key: string) => {
    const launch = options.mode === 'processes' ? startProgram : startInProcess
    const program = await launch({
      main: key === 'registry' ? 'registry/main.ts' : 'node/main.ts',
      config: path.join(dataDir, key, 'config.json'),
      logFile: path.join(dataDir, key, 'diagnostics.log'),
    })
    programs.set(key, program)
    expected.delete(key)
    void program.ended.then((how) => {
      if (programs.get(key) === program && !expected.has(key)) {
        failure.reject(new Error(`${key} ended by itself (${how})`))
      }
    })
  }
  progress('registry')
  await start('registry')
  progress('nodes')
  await Promise.all(organizations.map(({ key }) => start(key)))

  const description = describe({ organizations, ports, programs, accounts })
  const region: Omit<Region, typeof Symbol.asyncDispose> = {
    description,
    file,
    node: (key) => nodeOf(description, key),
    account: (key, role) => accountOf(description, key, role),
    failed: failure.promise,
    async kill(key) {
      expected.add(key)
      await programs.get(key)?.kill('SIGKILL')
    },
    start,
  }
  if (isNew) {
    progress('grant of form № 5: crb1 → okb')
    await grantAccess(region)
    if (options.samples) await sendSamples({ region, seed: options.seed, progress })
  }
  await writeFile(file, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
  const programsOwned = started.move()
  return { ...region, [Symbol.asyncDispose]: () => programsOwned.disposeAsync() }
}

type Accounts = { registry: Account[]; nodes: Map<string, Account[]> }

async function createAccounts(options: {
  seed: number
  dataDir: string
  organizations: Member[]
}): Promise<Accounts> {
  const { seed, dataDir, organizations } = options
  const nodes = new Map<string, Account[]>()
  for (const [index, { key, oid }] of organizations.entries()) {
    nodes.set(key, await seedAccounts({ seed: seed + index, key, oid, dataDir }))
  }
  return { registry: await seedOperator({ seed, dataDir }), nodes }
}

const accountsOf = (file: RegionFile): Accounts => ({
  registry: file.registry.accounts,
  nodes: new Map(file.nodes.map(({ key, accounts }) => [key, accounts])),
})

async function writeConfigurations(options: {
  dataDir: string
  organizations: Member[]
  ports: RegionPorts
  identities: Identities
}): Promise<void> {
  const { dataDir, organizations, ports, identities } = options
  const write = (key: string, config: unknown) =>
    writeFile(path.join(dataDir, key, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
  await write('registry', registryConfig({ dataDir, ports, identities, organizations }))
  for (const [index, member] of organizations.entries()) {
    const at = ports.nodes[index]
    if (at === undefined) throw new Error(`no ports for ${member.key}`)
    await write(member.key, nodeConfig({ dataDir, member, at, ports, identities }))
  }
}

function describe(options: {
  organizations: Member[]
  ports: RegionPorts
  programs: Map<string, Program>
  accounts: Accounts
}): RegionFile {
  const { organizations, ports, programs, accounts } = options
  const ready = (key: string) => programs.get(key)?.ready
  return {
    registry: {
      url: ready('registry')?.http ?? '',
      peerId: ready('registry')?.peerId ?? '',
      pid: programs.get('registry')?.pid ?? 0,
      accounts: accounts.registry,
    },
    nodes: organizations.map(({ key, oid, name, aeTitle }, index) => {
      const url = ready(key)?.http ?? ''
      return {
        key,
        organization: { oid, name },
        url,
        dicomweb: `${url}/dicom-web`,
        peerId: ready(key)?.peerId ?? '',
        pid: programs.get(key)?.pid ?? 0,
        dimse: {
          host: '127.0.0.1',
          port: ports.nodes[index]?.dimse ?? 0,
          aeTitle,
          callingAeTitles,
        },
        accounts: accounts.nodes.get(key) ?? [],
      }
    }),
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
