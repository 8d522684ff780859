import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { generateSecret } from 'otplib'
import type { Browser } from 'playwright-core'
import { OrganizationOid } from '#protocol/ids.ts'
import { password } from '../accounts.ts'
import type { NodePorts, RegionPorts } from '../layout.ts'
import { startProgram } from '../programs.ts'
import { createPerson, type Person } from './person.ts'
import type { Tally } from './tally.ts'

/** A hospital of the walk. `key` names its folder. */
export type Hospital = {
  key: string
  aeTitle: string
  oid: OrganizationOid
  name: string
  address: string
  email: string
  ports: NodePorts
  url: string
  /** Of the node's own administrator, whom the installer writes into the accounts file. */
  admin: { login: string; password: string }
}

/** `totpSecret`: what she has put into her authenticator. */
export type Operator = { login: string; password: string; totpSecret: string; name: string }

export type World = {
  dir: string
  tally: Tally
  registryUrl: string
  holder: Hospital
  grantee: Hospital
  /** The operator's people, as the installer writes them into the accounts file. */
  operators: Record<'operator' | 'chief', Operator>
  /** Runs `npm run certs` with these arguments in the walk's folder; gives what it printed. */
  certs(...args: string[]): Promise<string>
  file(name: string): string
  startRegistry(authority: string): Promise<void>
  startNode(hospital: Hospital, authority: string): Promise<void>
  person(name: string): Promise<Person>
}

export async function createWorld(options: {
  dir: string
  shots: string
  ports: RegionPorts
  tally: Tally
  browser: Browser
  stack: AsyncDisposableStack
}): Promise<World> {
  const { dir, shots, ports, tally, browser, stack } = options
  const file = (name: string) => path.join(dir, name)
  const holder = hospital('crb', 'ГБУЗ «Районная больница»', 9102, ports.nodes[0])
  const grantee = hospital('okb', 'ГАУЗ «Областная клиническая больница»', 9101, ports.nodes[1])
  for (const folder of ['registry', holder.key, grantee.key]) {
    await mkdir(file(folder), { recursive: true, mode: 0o700 })
  }
  const operators = {
    operator: { ...secrets(), login: 'ivanova', name: 'Иванова Мария Петровна' },
    chief: { ...secrets(), login: 'zuev', name: 'Зуев Игорь Львович' },
  }
  const start = async (main: string, config: string, text: unknown): Promise<void> => {
    await writeSecret(file(config), text)
    const logFile = `${file(config)}.log`
    stack.use(await startProgram({ main, config: file(config), logFile }))
  }
  const world: World = {
    dir,
    tally,
    holder,
    grantee,
    operators,
    file,
    registryUrl: `http://127.0.0.1:${ports.registry.http}`,
    certs: (...args) => runCerts(dir, args, tally),
    person: (name) => createPerson({ name, browser, tally, folder: shots }),
    async startRegistry(authority) {
      await writeSecret(file('registry/accounts.json'), accountsOf(operators))
      const config = registryConfig({ file, ports, authority })
      await start('registry/main.ts', 'registry/config.json', config)
    },
    async startNode(one, authority) {
      const { login, password } = one.admin
      const position = { position: 'администратор ЦАМИ', department: 'Отдел информатизации' }
      const person = { login, password, name: 'Техник Узла Местный', ...position }
      await writeSecret(file(`${one.key}/accounts.json`), [{ ...person, roles: ['mo_admin'] }])
      const registry = await peerIdOf(world)
      const config = nodeConfig({ file, one, ports, authority, registry })
      await start('node/main.ts', `${one.key}/config.json`, config)
    },
  }
  return world
}

const secret = (): string => password(new Uint8Array(randomBytes(20)))

const secrets = () => ({ password: secret(), totpSecret: generateSecret() })

function hospital(key: string, name: string, number: number, ports?: NodePorts): Hospital {
  if (ports === undefined) throw new Error('two nodes need ports')
  const oid = OrganizationOid.parse(`1.2.643.5.1.13.13.12.2.42.${number}`)
  return {
    key,
    name,
    oid,
    ports,
    aeTitle: key.toUpperCase(),
    address: '650000, г. Кемерово, ул. Учебная, 1',
    email: `priem@${key}.kuzdrav.ru`,
    url: `http://127.0.0.1:${ports.http}`,
    admin: { login: `admin.${key}`, password: secret() },
  }
}

async function writeSecret(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
}

/** The real command line, in a process of its own. */
async function runCerts(dir: string, args: readonly string[], tally: Tally): Promise<string> {
  const main = path.resolve('certs/main.ts')
  const child = spawn(process.execPath, [main, ...args], { cwd: dir })
  let out = ''
  let err = ''
  child.stdout.on('data', (text: Buffer) => (out += text.toString()))
  child.stderr.on('data', (text: Buffer) => (err += text.toString()))
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`certs ${args.join(' ')}: ${err}`)
  tally.step(`certs ${args[0] ?? ''}`)
  return out
}

/** What `certs` printed beside a name. */
export function said(output: string, name: string): string {
  const found = new RegExp(`^${name}\\s+(.+)$`, 'm').exec(output)?.[1]
  if (found === undefined) throw new Error(`certs did not print ${name}`)
  return found.trim()
}

async function peerIdOf({ file, certs }: World): Promise<string> {
  return said(await certs('fingerprint', file('registry/registry.jwk.pub')), 'peer id')
}

const accountsOf = ({ operator, chief }: World['operators']) =>
  [
    { ...operator, roles: ['cami_operator'], position: 'специалист отдела ЦАМИ' },
    { ...chief, roles: ['cami_admin'], position: 'администратор ЦАМИ' },
  ].map((one) => ({ ...one, email: `${one.login}@kuzdrav.ru`, phone: '8 (3842) 36-00-00' }))

type Files = { file: (name: string) => string; ports: RegionPorts; authority: string }

const http = (port: number, cookieName: string) => ({
  host: '127.0.0.1',
  port,
  cookieName,
  secureCookie: false,
  allowedHosts: [`127.0.0.1:${port}`],
})
const listening = (port: number) => `/ip4/127.0.0.1/tcp/${port}`

const registryConfig = ({ file, ports, authority }: Files) => ({
  dataDir: file('registry/data'),
  keyFile: file('registry/registry.jwk'),
  issuerKeyFile: file('registry/issuing.jwk'),
  logKeyFile: file('registry/log.jwk'),
  trustListFile: file('trust-list.jwt'),
  authority,
  http: http(ports.registry.http, 'cami-registry'),
  peer: { listen: [listening(ports.registry.peer)] },
  accountsFile: file('registry/accounts.json'),
  form5: 'required',
})

const nodeConfig = ({
  file,
  one,
  ports,
  authority,
  registry,
}: Files & { one: Hospital; registry: string }) => ({
  organization: { oid: one.oid, name: one.name },
  dataDir: file(`${one.key}/data`),
  keyFile: file(`${one.key}/node.jwk`),
  witnessKeyFile: file(`${one.key}/witness.jwk`),
  credentialFile: file(`${one.key}/credential.jwt`),
  trustListFile: file('trust-list.jwt'),
  authority,
  http: { ...http(one.ports.http, `cami-${one.key}`), viewerDir: path.resolve('dist/viewer') },
  dimse: {
    host: '127.0.0.1',
    port: one.ports.dimse,
    aeTitle: one.aeTitle,
    quarantineSubnets: ['127.0.0.0/8'],
  },
  peer: {
    listen: [listening(one.ports.peer)],
    registry: [`${listening(ports.registry.peer)}/p2p/${registry}`],
  },
  storage: {
    freeFractionMin: 0.01,
    freeBytesMin: 256 * 1024 * 1024,
    ballastBytes: 16 * 1024 * 1024,
  },
  accountsFile: file(`${one.key}/accounts.json`),
})

export const readText = async (file: string): Promise<string> =>
  (await readFile(file, 'utf8')).trim()
