import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

/** What went over the loopback links between programs, as anybody on the wire would have it. */
export type Capture = {
  bytes: number
  includes(text: string | Uint8Array): boolean
}

const startTimeoutMs = 10_000
const settleMs = 500

/** Records the TCP traffic of some ports with tcpdump until `stop`; needs root. */
export async function captureLoopback(
  ports: readonly number[],
): Promise<AsyncDisposable & { stop(): Promise<Capture> }> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cami-capture-'))
  const file = path.join(folder, 'link.pcap')
  const filter = ports.map((port) => `port ${port}`).join(' or ')
  const child = spawn(
    'tcpdump',
    ['-i', 'lo', '-B', '65536', '-s', '0', '-U', '-Z', 'root', '-w', file, `tcp and (${filter})`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('tcpdump does not start')), startTimeoutMs)
    let said = ''
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString()
      if (!said.includes('listening on')) return
      clearTimeout(late)
      resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`tcpdump ended: ${said}`)))
  })
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGINT')
    await once(child, 'exit')
  }
  return {
    async [Symbol.asyncDispose]() {
      await end()
      await rm(folder, { recursive: true, force: true })
    },
    async stop() {
      await new Promise((resolve) => setTimeout(resolve, settleMs))
      await end()
      const wire = await readFile(file)
      return {
        bytes: wire.byteLength,
        includes: (text) => wire.includes(typeof text === 'string' ? text : Buffer.from(text)),
      }
    },
  }
}
