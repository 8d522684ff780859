import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { NotInTime } from './client.ts'
import { freePorts } from './layout.ts'
import { createRandom } from './random.ts'
import { createRegion } from './region.ts'
import { consultation } from './scenarios/consultation.ts'
import { cutLinks } from './scenarios/cut-links.ts'
import { maliciousRegistry } from './scenarios/malicious-registry.ts'
import { registryAway } from './scenarios/registry-away.ts'
import { revocation } from './scenarios/revocation.ts'
import { Wrong, type Scenario } from './scenarios/scenario.ts'

const scenarios: Record<string, Scenario> = {
  consultation,
  'registry-away': registryAway,
  'cut-links': cutLinks,
  revocation,
  'malicious-registry': maliciousRegistry,
}

const usage = `npm run simulate -- --seed N --scenario NAME [--organizations N]

Runs a whole region, seeded, through one scenario: ${Object.keys(scenarios).join(', ')}.
Ends with one line "ok|crash|stuck|wrong scenario=NAME seed=N …" and exit code 0, 127, 128 or 129.
`
const exitCodes = { ok: 0, crash: 127, stuck: 128, wrong: 129 } as const

type Verdict = keyof typeof exitCodes

function classOf(error: unknown): Verdict {
  if (error instanceof Wrong) return 'wrong'
  return error instanceof NotInTime ? 'stuck' : 'crash'
}

async function run(name: string, seed: number, members: number): Promise<[Verdict, string]> {
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(usage)
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-simulate-'))
  try {
    await using region = await createRegion({
      seed,
      mode: 'processes',
      dataDir,
      ports: await freePorts(members),
      members,
      samples: false,
    })
    return [
      'ok',
      await Promise.race([scenario({ region, random: createRandom(seed) }), region.failed]),
    ]
  } catch (error) {
    return [classOf(error), error instanceof Error ? error.message : String(error)]
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

try {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      scenario: { type: 'string', default: '' },
      organizations: { type: 'string', default: '3' },
    },
  })
  const [seed, members] = [Number(values.seed), Number(values.organizations)]
  if (!Number.isInteger(seed) || !Number.isInteger(members) || members < 3) throw new Error(usage)
  if (scenarios[values.scenario] === undefined) throw new Error(usage)
  console.log(`seed ${seed}`)
  const [verdict, detail] = await run(values.scenario, seed, members)
  console.log(`${verdict} scenario=${values.scenario} seed=${seed} ${detail}`)
  process.exitCode = exitCodes[verdict]
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
