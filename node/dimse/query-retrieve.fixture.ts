import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { createDeviceDoors } from '../access/device-doors.ts'
import type { Archive } from '../archive/archive.ts'
import { holder, openTestArchive, send, temporaryFolder } from '../archive/archive.fixture.ts'
import type { Device } from '../config.ts'
import { createPixelPool } from '../dicom/pixel-workers/pool.ts'
import { readPart10File } from '../dicom/part10.ts'
import { silentLog } from '../log.ts'
import { createQueryRetrieve } from './query-retrieve.ts'
import { startScp } from './scp.fixture.ts'
import type { Scp } from './scp.ts'

export const device = (aeTitle: string, extra: Partial<Device> = {}): Device => ({
  id: aeTitle.toLowerCase(),
  aeTitle,
  addresses: ['127.0.0.1'],
  modality: 'OT',
  startDate: '2020-01-01',
  services: ['store', 'query', 'retrieve'],
  ...extra,
})

export type TestNode = AsyncDisposable & {
  archive: Archive
  scp: Scp
  port: number
  audited: AuditEntry[]
  devices: Device[]
}

/** An archive on the disk behind a provider with query and retrieval, and a register of devices. */
export async function startTestNode(devices: Device[]): Promise<TestNode> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const archive = stack.use(await openTestArchive(folder.path, { clock: Date.now }))
  const audited: AuditEntry[] = []
  const doors = createDeviceDoors({
    archive,
    audit: { append: async (entry) => void audited.push(entry) },
    devices: { get: (id) => devices.find((one) => one.id === id) },
    self: { oid: holder },
    clock: Date.now,
  })
  const pool = stack.use(createPixelPool())
  const services = createQueryRetrieve({
    doors,
    aeTitle: 'CAMI',
    devices: () => devices,
    clock: Date.now,
    pool,
    log: silentLog,
  })
  const scp = stack.use(
    await startScp({ archive, devices, services, quarantineSubnets: ['127.0.0.0/8'] }),
  )
  const owned = stack.move()
  return {
    archive,
    scp,
    port: scp.port,
    audited,
    devices,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Stores files of the corpus as they are; what each had inside. */
export async function keepFile(archive: Archive, bytes: Buffer) {
  const file = readPart10File(bytes)
  const { sopClass, sopUid, transferSyntax, dataSet } = file
  const stored = await send(archive, dataSet, { sopClass, sopUid, transferSyntax })
  return { ...file, ...stored }
}

const run = promisify(execFile)
const environment = { ...process.env, TCP_NODELAY: '1' }

/** Runs a program of dcmtk without Nagle's algorithm; its exit code and everything it said, byte for byte. */
export async function tool(
  program: string,
  args: readonly string[],
  { cwd }: { cwd?: string } = {},
): Promise<{ code: number; output: Buffer; text: string }> {
  const options = {
    env: environment,
    maxBuffer: 256 * 1024 * 1024,
    encoding: 'buffer',
    ...(cwd && { cwd }),
  } as const
  try {
    const { stdout, stderr } = await run(program, args, options)
    return outputOf(0, stdout, stderr)
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout: Buffer; stderr: Buffer }
    if (typeof code !== 'number') throw error
    return outputOf(code, stdout, stderr)
  }
}

function outputOf(code: number, stdout: Buffer, stderr: Buffer) {
  const output = Buffer.concat([stdout, stderr])
  return { code, output, text: output.toString('utf8') }
}

/** A storescp that writes what it gets into a folder. */
export async function startReceiver(
  port: number,
  folder: string,
  args: readonly string[] = [],
): Promise<AsyncDisposable> {
  const all = ['--bit-preserving', '-aet', 'DEST', '-od', folder, ...args, String(port)]
  const child = spawn('storescp', all, { env: environment, stdio: 'ignore' })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const isListening = async (): Promise<boolean> =>
    (await tool('echoscu', ['-aec', 'DEST', '127.0.0.1', String(port)])).code === 0
  for (let attempt = 0; attempt < 50 && !(await isListening()); attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}
