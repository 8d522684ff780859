import { parseArgs } from 'node:util'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { createRegion, type Region } from './region.ts'
import { portsFrom } from './layout.ts'
import { sendFolder } from './folder.ts'
import { ensureOperator, ensureViewer } from './viewer-build.ts'

const usage = `npm start [-- OPTIONS]   a whole region on this machine

  --data DIR     where it keeps everything; a second start goes on with it (default .cami)
  --ports BASE   registry at BASE, node i at BASE + 10·i (default 8400)
  --nodes N      how many hospitals, 3 at least (default 3)
  --dicom DIR    send every DICOM file below DIR to the first node, and say what was refused and why
  --fresh        begin again: what is in --data is removed first
  --seed N       seed of the synthetic people and studies (default 856)
`

function options() {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: '.cami' },
      ports: { type: 'string', default: '8400' },
      nodes: { type: 'string', default: '3' },
      seed: { type: 'string', default: '856' },
      dicom: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const number = (name: 'ports' | 'nodes' | 'seed', min: number, max: number) => {
    const value = Number(values[name])
    if (Number.isInteger(value) && value >= min && value <= max) return value
    throw new Error(`--${name} takes a whole number from ${min} to ${max}, not "${values[name]}"`)
  }
  return {
    dataDir: path.resolve(values.data),
    base: number('ports', 1024, 65_000),
    nodes: number('nodes', 3, 50),
    seed: number('seed', 0, 2 ** 31),
    dicom: values.dicom,
    fresh: values.fresh,
    help: values.help,
  }
}

async function run(signal: AbortSignal): Promise<void> {
  const { dataDir, base, nodes, seed, dicom, fresh } = options()
  if (fresh) await rm(dataDir, { recursive: true, force: true })
  await ensureViewer()
  await using region = await createRegion({
    seed,
    mode: 'processes',
    dataDir,
    ports: portsFrom(base, nodes),
    members: nodes,
    samples: true,
    progress: (text) => process.stderr.write(`${text}\n`),
  })
  printTable(region)
  console.log(`region ready ${region.file}`)
  // Nobody waits for these: the registry finds them as soon as they are there.
  await ensureOperator()
  if (dicom !== undefined) await report(region, dicom)
  console.log('Ctrl-C stops it.')
  // Somebody may have stopped it while the screens were built.
  if (!signal.aborted) await Promise.race([once(signal, 'abort'), region.failed])
}

function printTable({ description }: Region): void {
  console.log(`\n${'registry'.padEnd(9)}`, description.registry.url)
  printAccounts(description.registry.accounts)
  for (const node of description.nodes) {
    console.log(`\n${node.key.padEnd(9)}`, node.url, ' ', node.organization.name)
    const { aeTitle, host, port, tls } = node.dimse
    const secure = tls === undefined ? '' : `, with TLS on ${tls.port}`
    console.log('  ', `DICOM ${aeTitle}@${host}:${port}${secure}`)
    printAccounts(node.accounts)
  }
  console.log('\nDemo region: the second factor is off, everything listens on loopback.\n')
}

function printAccounts(accounts: Region['description']['registry']['accounts']): void {
  for (const { role, login, password } of accounts) {
    console.log('  ', role.padEnd(18), login.padEnd(22), password)
  }
}

async function report(region: Region, folder: string): Promise<void> {
  const [first] = region.description.nodes
  if (first === undefined) throw new Error('the region has no node')
  const counts = { accepted: 0, quarantined: 0, refused: 0 }
  for await (const { file, outcome, reason } of sendFolder({ node: first, folder })) {
    counts[outcome]++
    if (outcome !== 'accepted') console.log(`${outcome.padEnd(12)} ${file}  ${reason}`)
  }
  console.log(
    `${counts.accepted} accepted, ${counts.quarantined} quarantined, ${counts.refused} refused`,
  )
}

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())
try {
  if (options().help) console.log(usage)
  else await run(stop.signal)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  if (process.exitCode === undefined) process.exitCode = 2
}
