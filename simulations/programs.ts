import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { closeSync, openSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { NodeConfig, readConfig } from '../node/config.ts'
import { silentLog } from '../node/log.ts'
import { createNode, type NodeDeps } from '../node/node.ts'
import { RegistryConfig } from '../registry/config.ts'
import { createRegistry } from '../registry/registry.ts'

/** One operating-system process per program: what `npm start` uses and what fault runs kill. */

const Ready = z.object({ ready: z.literal(true), http: z.string(), peerId: z.string() })
export type Ready = z.infer<typeof Ready>

export type Program = AsyncDisposable & {
  readonly pid: number
  readonly ready: Ready
  /** Resolves with the exit code, or the signal's name, however the program ends. */
  readonly ended: Promise<number | string>
  /** SIGKILL unless told otherwise; resolves when the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

export type Launch = {
  main: string
  config: string
  logFile: string
  /** How long the start may take; an archive of a million instances takes a while. */
  readyMs?: number
}

const readyTimeoutMs = 90_000
const stopTimeoutMs = 10_000

/** Starts `node <main> --config <file>` and waits for its ready line; diagnostics are appended to `logFile`. */
export async function startProgram(options: Launch): Promise<Program> {
  const diagnostics = openSync(options.logFile, 'a', 0o600)
  const child = spawn(process.execPath, [options.main, '--config', options.config], {
    stdio: ['ignore', 'pipe', diagnostics],
  })
  closeSync(diagnostics)
  const ended = once(child, 'exit').then(([code, signal]) => String(signal ?? code))
  const ready = await readyLine(child, ended, options)
  const stop = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await ended
  }
  return {
    pid: child.pid ?? 0,
    ready,
    ended,
    kill: (signal = 'SIGKILL') => stop(signal),
    async [Symbol.asyncDispose]() {
      const last = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
      await stop('SIGTERM')
      clearTimeout(last)
    },
  }
}

/**
 * The same program in this process, for debugging and for runs that need many: nothing is killed here, `kill` is an
 * orderly end.
 */
export async function startInProcess({ main, config }: Launch): Promise<Program> {
  const deps = {
    log: silentLog,
    clock: () => Date.now(),
    random: (count: number) => new Uint8Array(randomBytes(count)),
  }
  const ended = Promise.withResolvers<string>()
  const { program, ready } = main.startsWith('registry/')
    ? await runRegistry(await readConfig(config, RegistryConfig), deps)
    : await runNode(await readConfig(config, NodeConfig), deps, ended.resolve)
  const stop = async () => {
    await program[Symbol.asyncDispose]()
    ended.resolve('0')
  }
  return {
    pid: process.pid,
    ready: { ready: true, ...ready },
    ended: ended.promise,
    kill: stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function runRegistry(config: RegistryConfig, deps: NodeDeps) {
  const program = await createRegistry(config, deps)
  return { program, ready: { http: program.url, peerId: program.peerId } }
}

async function runNode(config: NodeConfig, deps: NodeDeps, failed: (reason: string) => void) {
  const program = await createNode(config, deps)
  program.failed.catch((error: unknown) => failed(String(error)))
  return { program, ready: program.ready }
}

async function readyLine(
  child: ChildProcess,
  ended: Promise<unknown>,
  { main, logFile, readyMs = readyTimeoutMs }: Launch,
): Promise<Ready> {
  if (child.stdout === null) throw new Error('the program has no standard output')
  const lines = createInterface({ input: child.stdout })
  const first = once(lines, 'line').then(([line]) => Ready.parse(JSON.parse(String(line))))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${main} is not ready in time`)), readyMs)
  })
  const gone = ended.then((how) => {
    throw new Error(`${main} ended (${String(how)}) before it was ready: see ${logFile}`)
  })
  try {
    return await Promise.race([first, gone, late])
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
    gone.catch(() => undefined)
  }
}
