import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { openSync, closeSync } from 'node:fs'
import { z } from 'zod'

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

const readyTimeoutMs = 30_000
const stopTimeoutMs = 10_000

/** Starts `node <main> --config <file>` and waits for its ready line; diagnostics are appended to `logFile`. */
export async function startProgram(options: {
  main: string
  config: string
  logFile: string
}): Promise<Program> {
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

async function readyLine(
  child: ChildProcess,
  ended: Promise<unknown>,
  { main, logFile }: { main: string; logFile: string },
): Promise<Ready> {
  if (child.stdout === null) throw new Error('the program has no standard output')
  const lines = createInterface({ input: child.stdout })
  const first = once(lines, 'line').then(([line]) => Ready.parse(JSON.parse(String(line))))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${main} is not ready in time`)), readyTimeoutMs)
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
