import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { epochKind } from '#protocol/epoch.ts'
import type { Epoch } from '#protocol/epoch.ts'
import { urnOf, type OrganizationOid } from '#protocol/ids.ts'
import { createSigner, decodeToken, tokenDigest } from '#protocol/jws.ts'
import { peerIdOf, publicJwk } from '#protocol/keys.ts'
import { decodeEntry } from '#protocol/transparency/entries.ts'
import type { LogEntry } from '#protocol/transparency/entries.ts'
import { noteOf } from '#protocol/transparency/log.fixture.ts'
import { readKeyFile } from '../../certs/key-file.ts'
import { readGrants } from '../../registry/grant-rows.ts'
import { openLevelStore } from '../../registry/store/level-store.ts'
import {
  credentialFile,
  issuingKeyFile,
  logKeyFile,
  nodeKeyFile,
  registryKeyFile,
  trustListFile,
  witnessKeyFile,
} from '../identities.ts'
import type { Region } from '../region.ts'
import { createEvilRegistry, type View } from '../trust/evil-registry.ts'

/**
 * The region's registry in wrong hands: killed, and replaced at its own address by a program that has all of its keys and
 * everything that it had stored. The nodes notice nothing: what they are shown at first is what the honest one showed.
 */
export type TakenRegistry = Awaited<ReturnType<typeof takeRegistry>>

type Config = { peer: { listen: string[] }; organization: { oid: OrganizationOid } }
type Node = { key: string; oid: OrganizationOid; address: string; credential: string }

export async function takeRegistry(region: Region) {
  const dataDir = path.dirname(region.file)
  const keys = region.description.nodes.map(({ key }) => key)
  const nodes = await Promise.all(keys.map((key) => readNode(dataDir, key)))
  await region.kill('registry')
  const views = await readViews(dataDir, nodes)
  const config = await readConfig(dataDir, 'registry')
  const logKey = await readKeyFile(logKeyFile(dataDir))
  const peers = await Promise.all(nodes.map(({ key }) => peerOf(dataDir, key)))
  const issuer = await createSigner(await readKeyFile(issuingKeyFile(dataDir)))
  const evil = await createEvilRegistry({
    key: await readKeyFile(registryKeyFile(dataDir)),
    issuer,
    noteOf: (entries) => noteOf(entries, logKey),
    listen: config.peer.listen,
    peerOf: (peer) => nodes[peers.indexOf(peer)]?.oid,
    clock: () => Date.now(),
  })
  for (const [oid, view] of views) evil.show(oid, view)
  return {
    ...evil,
    issuer,
    nodes,
    change(oid: OrganizationOid, over: Partial<View>): void {
      evil.show(oid, { ...evil.viewOf(oid), ...over })
    },
    /** The next epoch of a holder, shown and told; these grants go with it. */
    async tellEpoch(holder: OrganizationOid, over: Partial<Epoch>, grants: string[]) {
      const view = evil.viewOf(holder)
      const { epoch } = decodeToken(view.epoch, epochKind).claims
      const next = { epoch: epoch + 1, prev: await tokenDigest(view.epoch), ...over }
      const token = await evil.epoch(holder, next)
      evil.show(holder, { ...view, epoch: token, grants })
      evil.tell(holder, 'epoch', { epoch: token, grants })
    },
    /** What an honest registry says once a minute. */
    async beat(): Promise<void> {
      for (const { oid } of nodes) evil.tell(oid, 'beat', { beat: await evil.beat(oid) })
    },
    [Symbol.asyncDispose]: () => evil[Symbol.asyncDispose](),
  }
}

const readConfig = async (dataDir: string, key: string): Promise<Config> =>
  JSON.parse(await readFile(path.join(dataDir, key, 'config.json'), 'utf8')) as Config

const peerOf = async (dataDir: string, key: string) =>
  peerIdOf(publicJwk(await readKeyFile(nodeKeyFile(dataDir, key))))

async function readNode(dataDir: string, key: string): Promise<Node> {
  const { peer, organization } = await readConfig(dataDir, key)
  const credential = (await readFile(credentialFile(dataDir, key), 'utf8')).trim()
  const address = `${peer.listen[0] ?? ''}/p2p/${await peerOf(dataDir, key)}`
  return { key, oid: organization.oid, address, credential }
}

/** What the honest registry had stored, as it would have told it. */
async function readViews(
  dataDir: string,
  nodes: readonly Node[],
): Promise<Map<OrganizationOid, View>> {
  await using store = await openLevelStore(path.join(dataDir, 'registry', 'registry'))
  const rows = await store.list('log/entry/', { limit: 10_000 })
  const entries: LogEntry[] = rows.map(({ value }) => decodeEntry(new TextEncoder().encode(value)))
  const witnesses = await Promise.all(
    nodes.map(async ({ key, oid }) => ({
      name: `oid/${oid}`,
      key: await readKeyFile(witnessKeyFile(dataDir, key)),
    })),
  )
  const given = new Map(
    await Promise.all(nodes.map(async ({ oid }) => [oid, await readGrants(store, oid)] as const)),
  )
  const all = [...given.values()].flat()
  const trustList = (await readFile(trustListFile(dataDir), 'utf8')).trim()
  const views = new Map<OrganizationOid, View>()
  for (const { oid } of nodes) {
    const epoch = (await store.last(`epoch/${oid}/`))?.value
    if (epoch === undefined) throw new Error(`the registry has no epoch of ${urnOf(oid)}`)
    const received = all.filter(({ grantee }) => grantee === oid)
    views.set(oid, {
      trustList,
      members: nodes.map(({ credential, address }) => {
        return { credential, addresses: [address], online: true }
      }),
      epoch,
      grants: (given.get(oid) ?? []).filter(({ active }) => active).map(({ token }) => token),
      received: received.map(({ token, active }) => ({ grant: token, active })),
      entries,
      witnesses,
    })
  }
  return views
}
