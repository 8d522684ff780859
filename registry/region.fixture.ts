import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { canonicalJson } from '#protocol/canonical-json.ts'
import type { EventName, EventParams } from '#protocol/control.ts'
import { createFederation } from '#protocol/federation.fixture.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import { emptyHead } from '#protocol/index-log.ts'
import type { IndexEntry, IndexHead } from '#protocol/index-log.ts'
import { tokenDigest } from '#protocol/jws.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { Connection, Host } from '#protocol/transport/transport.ts'
import type { PrivateJwk } from '#protocol/ids.ts'
import { RegistryConfig } from './config.ts'
import { silentLog } from './log.ts'
import { createRegistry } from './registry.ts'

const officer = (login: string, name: string, role: string) => ({
  login,
  password: `dlinnyi parol ${login}`,
  name,
  position: 'специалист',
  email: `${login}@kuzdrav.ru`,
  phone: '8 (3842) 36-00-00',
  roles: [role],
})

/** The operator's people. */
export const officers = [
  officer('ivanova', 'Иванова Мария Петровна', 'cami_operator'),
  officer('orlov', 'Орлов Олег Олегович', 'cami_operator'),
  officer('zuev', 'Зуев Игорь Львович', 'cami_admin'),
  officer('observer', 'Гришина Вера Павловна', 'ministry_observer'),
]

/** A registry on a temporary folder and bare hosts that speak to it over real libp2p on loopback. */
export async function createRegion({
  office = false,
  secondFactor = office ? 'optional' : 'required',
}: { office?: boolean; secondFactor?: 'optional' | 'required' } = {}) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-registry-'))
  const federation = await createFederation()
  const { authority, issuer, registry, holder, grantee, stranger } = federation
  const file = (name: string): string => path.join(dir, name)
  const writeKey = (name: string, key: PrivateJwk) =>
    writeFile(file(name), canonicalJson(key), { mode: 0o600 })
  // The fixture's tokens are of its own time: the whole region lives then, and moves on with the test.
  const clock = createClock()
  await writeKey('registry.key', registry.key)
  await writeKey('issuer.key', issuer.key)
  const policy = { ...federation.claims.trustList().policy, secondFactor }
  await writeFile(file('trust.jwt'), await federation.sign.trustList({ policy }))
  const members = [holder, grantee, stranger]
  for (const party of members) {
    await writeFile(file(`${party.oid}.jwt`), await federation.sign.credential(party))
  }
  const config = RegistryConfig.parse({
    dataDir: file('data'),
    keyFile: file('registry.key'),
    issuerKeyFile: file('issuer.key'),
    trustListFile: file('trust.jwt'),
    authority: authority.kid,
    http: { host: '127.0.0.1', port: 0 },
    peer: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    credentials: members.map(({ oid }) => file(`${oid}.jwt`)),
    ...(office && { accountsFile: file('accounts.json') }),
  })
  if (office) {
    await writeFile(file('accounts.json'), JSON.stringify(officers), { mode: 0o600 })
  }
  return {
    ...federation,
    dir,
    config,
    clock,
    start: (limits: { beatIntervalMs?: number } = {}) =>
      createRegistry(config, { clock: clock.now, log: silentLog, limits }),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  }
}
export type Region = Awaited<ReturnType<typeof createRegion>>

function createClock() {
  const start = Date.UTC(2026, 10, 25, 4, 0, 0)
  let offset = 0
  const begun = Date.now()
  return {
    now: () => start + offset + (Date.now() - begun),
    advance: (ms: number) => {
      offset += ms
    },
  }
}

type Heard = { [E in EventName]: { event: E; params: EventParams<E> } }[EventName]

/** A node as the registry sees it: a key, a connection, and what it was told. */
export async function join(
  region: Region,
  party: Pick<Party, 'key'>,
  registry: { peerId: Host['peerId']; addresses(): string[] },
) {
  const heard: Heard[] = []
  const host = await createHost({
    key: party.key,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    isAllowed: (peer) => peer === registry.peerId,
    handlers: {},
    onEvent: (_, event, params) => {
      heard.push({ event, params } as Heard)
    },
    clock: region.clock.now,
  })
  let connection: Connection
  try {
    connection = await host.connect(registry.peerId, registry.addresses())
  } catch (error) {
    await host[Symbol.asyncDispose]()
    throw error
  }
  const of = <E extends EventName>(event: E): EventParams<E>[] =>
    heard.filter((one) => one.event === event).map((one) => one.params as EventParams<E>)
  return {
    host,
    request: connection.request.bind(connection),
    /** Parameters of the events of one name, so far. */
    heard: of,
    items: () => of('index').flatMap(({ items }) => items),
    forget: () => heard.splice(0),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }
}

/** Signs the next entries of an index log, as its organization's node would. */
export function createIndexWriter(region: Region, party: Party) {
  let head: IndexHead = emptyHead
  return async (over: Partial<IndexEntry> = {}): Promise<string> => {
    const claims = region.claims.indexEntry({
      org: party.urn,
      seq: head.seq + 1,
      prev: head.digest,
      ...over,
    })
    const token = await party.signer.sign('cami-index+jwt', claims)
    head = { seq: claims.seq, digest: await tokenDigest(token) }
    return token
  }
}

export async function until(isDone: () => unknown, what: string): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await isDone())) {
    if (Date.now() > deadline) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}
