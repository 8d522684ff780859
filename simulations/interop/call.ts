import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { environment } from '../bench/peer-process.ts'

/** What one call of a foreign peer came to. */
export type Row = {
  peer: string
  service: string
  command: string
  said: string
  verdict: 'ok' | 'failed' | 'missing'
}

export type Told = { code: number; output: string }

const run = promisify(execFile)
const timeoutMs = 60_000

/** Runs a foreign program to its end, whatever that is. */
export async function runTool(
  tool: string,
  args: readonly string[],
  timeout = timeoutMs,
): Promise<Told> {
  const options = { env: environment, timeout, maxBuffer: 64 * 1024 * 1024 }
  try {
    const running = run(tool, args, options)
    // Some programs wait for a person.
    running.child.stdin?.end()
    const { stdout, stderr } = await running
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const {
      code,
      stdout = '',
      stderr = '',
    } = error as { code?: number | string } & Partial<Record<'stdout' | 'stderr', string>>
    return { code: typeof code === 'number' ? code : 1, output: `${stdout}${stderr}` }
  }
}

/** One call of a command-line tool, and how its output says that all went well. */
export type ToolCall = {
  peer: string
  service: string
  tool: string
  args: readonly string[]
  /** Every match counts; without one the call failed. */
  expects: RegExp
  countMin?: number
  /** Some tools end with an error although all went well, and others the other way round. */
  anyCode?: true
  timeout?: number
}

/** Calls one after the other: each may rest on what the one before it did. */
export async function callAll(calls: readonly ToolCall[]): Promise<Row[]> {
  const rows: Row[] = []
  for (const call of calls) rows.push(await callTool(call))
  return rows
}

export async function callTool(call: ToolCall): Promise<Row> {
  const { peer, service, tool, args, expects, countMin = 1, anyCode, timeout } = call
  const { code, output } = await runTool(tool, args, timeout)
  const found = [...output.matchAll(new RegExp(expects, expects.flags.replace('g', '') + 'g'))]
  const isOk = found.length >= countMin && (code === 0 || anyCode === true)
  const last = found.at(-1)?.[0]
  const said = isOk && last !== undefined ? `${found.length} × ${last}` : lastLines(output, code)
  return {
    peer,
    service,
    command: [shortened(tool), ...args.map(shortened)].join(' '),
    said: said.replaceAll(/\s+/g, ' ').trim().slice(0, 160),
    verdict: isOk ? 'ok' : 'failed',
  }
}

/** A command line without blanks in its parts. */
export const words = (text: string): string[] => text.split(' ')

/** Of a folder its last part: where things lie on this machine tells nothing. */
const shortened = (arg: string): string => (arg.startsWith('/') ? `…/${arg.split('/').pop()}` : arg)

const lastLines = (output: string, code: number): string =>
  `exit ${code}: ${output.trim().split('\n').slice(-3).join(' | ')}`

/** A call that is not a program's: what `work` returns is what was said. */
export async function callRow(
  about: Pick<Row, 'peer' | 'service' | 'command'>,
  work: () => Promise<string>,
): Promise<Row> {
  try {
    return { ...about, said: await work(), verdict: 'ok' }
  } catch (error) {
    return { ...about, said: String(error).slice(0, 200), verdict: 'failed' }
  }
}

export function printRows(rows: readonly Row[]): void {
  console.log('| peer | service | command | said | verdict |\n|---|---|---|---|---|')
  for (const { peer, service, command, said, verdict } of rows) {
    const cells = [peer, service, `\`${command}\``, said, verdict]
    console.log(`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
  }
}
