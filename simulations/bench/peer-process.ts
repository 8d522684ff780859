import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect, createServer } from 'node:net'

/**
 * Programs beside which the product is measured. None of dcmtk's, nor Orthanc, turns Nagle's algorithm off by itself;
 * with it on, delayed acknowledgements make every figure meaningless.
 */
export const environment = { ...process.env, TCP_NODELAY: '1' }

export type PeerProcess = AsyncDisposable & { readonly pid: number }

const startTimeoutMs = 30_000
const stopTimeoutMs = 10_000

/** Why a program cannot be run; `undefined` when it can. */
export function missingProgram(name: string): string | undefined {
  const { error } = spawnSync(name, ['--version'], { stdio: 'ignore' })
  return error === undefined ? undefined : `${name} is missing: npm run setup -- --bench`
}

/** Starts a server and waits until its port answers. */
export async function startPeer(
  command: string,
  args: readonly string[],
  { port, logFile, cwd }: { port: number; logFile: string; cwd?: string },
): Promise<PeerProcess> {
  const diagnostics = openSync(logFile, 'a')
  const child = spawn(command, args, {
    stdio: ['ignore', diagnostics, diagnostics],
    env: environment,
    ...(cwd !== undefined && { cwd }),
  })
  closeSync(diagnostics)
  const stop = async (): Promise<void> => {
    if (!isRunning(child)) return
    const ended = once(child, 'exit')
    const last = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    child.kill('SIGTERM')
    await ended
    clearTimeout(last)
  }
  child.on('error', () => undefined)
  const end = performance.now() + startTimeoutMs
  while (!(await answers(port))) {
    if (!isRunning(child) || performance.now() > end) {
      await stop()
      throw new Error(`${command} did not start: see ${logFile}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { pid: child.pid ?? 0, [Symbol.asyncDispose]: stop }
}

const isRunning = (child: ChildProcess): boolean =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null

async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await once(server.close(), 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Runs a client to its end, for the end of its output; throws with that when it fails. */
export async function runClient(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
  let output = ''
  const keep = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-4000))
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}: ${output}`)
  return output
}
