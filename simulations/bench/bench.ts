import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench } from './bench-run.ts'
import { lineOf, textOf } from './line.ts'

/** Each is loaded when it is asked for: one that needs what is not installed here disturbs no other. */
const benches: Record<string, () => Promise<Bench>> = {
  ingest: async () => (await import('./ingest.ts')).ingest,
  query: async () => (await import('./query.ts')).query,
  retrieve: async () => (await import('./retrieve.ts')).retrieve,
  scale: async () => (await import('./scale.ts')).scale,
  trust: async () => (await import('./trust.ts')).trust,
}

const usage = `npm run bench -- NAME [--json] [--quick]

Measures the product and its peers side by side in one run on one machine.
  NAME      ${Object.keys(benches).join(', ')}
  --json    one line of JSON per figure
  --quick   small sizes: shows that everything works, measures little
Peers are installed by: npm run setup -- --bench
`

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
    },
  })
  const [name = ''] = positionals
  const load = benches[name]
  if (load === undefined) {
    process.stderr.write(usage)
    process.exitCode = 2
    return
  }
  const bench = await load()
  const dir = await mkdtemp(path.join(os.tmpdir(), `cami-bench-${name}-`))
  try {
    await bench({
      quick: values.quick,
      dir,
      report(figure) {
        const line = lineOf(name, figure)
        console.log(values.json ? JSON.stringify(line) : textOf(line))
      },
      note: (text) => void process.stderr.write(`${text}\n`),
    })
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

await main()
