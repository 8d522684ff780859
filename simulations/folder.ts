import { readdir, open } from 'node:fs/promises'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import { readPart10File } from '../node/dicom/part10.ts'
import { createStoreScu, type StoreItem } from '../node/dimse/scu.ts'
import { signIn } from './client.ts'
import type { RegionNode } from './region-file.ts'

export type FolderResult = {
  /** Relative to the folder. */
  file: string
  outcome: 'accepted' | 'quarantined' | 'refused'
  reason: string
}

/** Sends every DICOM file below `folder` to a node over real C-STORE and says what became of each. */
export async function* sendFolder({
  node,
  folder,
}: {
  node: RegionNode
  folder: string
}): AsyncGenerator<FolderResult> {
  await using scu = createStoreScu({
    host: node.dimse.host,
    port: node.dimse.port,
    callingAe: node.dimse.callingAeTitles[0] ?? 'STORESCU',
    calledAe: node.dimse.aeTitle,
  })
  const stored: { file: string; sop: string }[] = []
  for await (const file of filesBelow(folder)) {
    const name = path.relative(folder, file)
    const item = await readItem(file)
    if ('reason' in item) {
      yield { file: name, outcome: 'refused', reason: item.reason }
      continue
    }
    for await (const { status, comment } of scu.store([item])) {
      if (status === 0) stored.push({ file: name, sop: item.sopUid })
      else yield { file: name, outcome: 'refused', reason: `${hex(status)} ${comment}` }
    }
  }
  const quarantined = await quarantineOf(node)
  for (const { file, sop } of stored) {
    const reason = quarantined.get(sop)
    if (reason === undefined) yield { file, outcome: 'accepted', reason: '' }
    else yield { file, outcome: 'quarantined', reason }
  }
}

const hex = (status: number) => `0x${status.toString(16).padStart(4, '0')}`

async function* filesBelow(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(full)
    else if (entry.isFile()) yield full
  }
}

async function readItem(file: string): Promise<StoreItem | { reason: string }> {
  await using handle = await open(file)
  const bytes = await handle.readFile()
  try {
    return readPart10File(bytes)
  } catch (error) {
    if (error instanceof ProtocolError) return { reason: error.message }
    throw error
  }
}

async function quarantineOf(node: RegionNode): Promise<Map<string, string>> {
  const admin = node.accounts.find(({ role }) => role === 'mo_admin')
  if (admin === undefined) return new Map()
  const client = await signIn(node.url, admin)
  const { entries } = await client.json<{ entries: { sop: string; reason: string }[] }>(
    '/api/quarantine',
  )
  return new Map(entries.map(({ sop, reason }) => [sop, reason]))
}
