import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { startOrthanc } from './orthanc.ts'
import { prepareNode, startNode } from './own-node.ts'
import { freePort, startPeer } from './peer-process.ts'

export type ReceiverName = 'ours' | 'orthanc' | 'storescp'

/** Something that takes C-STORE. */
export type Receiver = AsyncDisposable & {
  readonly pid: number
  readonly dimse: { host: string; port: number; aeTitle: string }
}

/** A fresh receiver with its data below `dir`. */
export const startReceiver = (name: ReceiverName, dir: string): Promise<Receiver> =>
  starters[name](dir)

const starters: Record<ReceiverName, (dir: string) => Promise<Receiver>> = {
  ours: async (dir) => startNode(await prepareNode(dir)),
  orthanc: (dir) => startOrthanc(dir),
  storescp: (dir) => startStorescp(dir),
}

/** dcmtk's receiver: writes files (or nothing), has no index, syncs nothing. */
export async function startStorescp(
  dir: string,
  options: { aeTitle?: string; port?: number; isKept?: boolean } = {},
): Promise<Receiver> {
  const { aeTitle = 'STORESCP', port = await freePort(), isKept = true } = options
  const folder = path.join(dir, 'received')
  await mkdir(folder, { recursive: true })
  const where = isKept ? ['-od', folder] : ['--ignore']
  const args = ['--fork', '-aet', aeTitle, ...where, String(port)]
  const peer = await startPeer('storescp', args, { port, logFile: path.join(dir, 'storescp.log') })
  return {
    pid: peer.pid,
    dimse: { host: '127.0.0.1', port, aeTitle },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  }
}
