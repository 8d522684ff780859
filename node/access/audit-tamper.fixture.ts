import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createChance, type Chance } from '#protocol/volume.fixture.ts'
import { openAuditLog } from './audit-log.ts'

const records = 48
const clock = () => 1_795_000_000_000
const small = { clock, segmentBytes: 3000 }

const entry = (number: number) => ({
  event: 'study-opened' as const,
  outcome: 'success' as const,
  organization: '1.2.643.5.1.13.13.12.2.42.1001',
  user: `user ${number}`,
  role: 'radiologist',
  source: '127.0.0.1',
  holder: '1.2.643.5.1.13.13.12.2.42.1001',
  study: `1.2.${number}`,
})

async function fill(dir: string, numbers: readonly number[]) {
  await using log = await openAuditLog(dir, small)
  for (const number of numbers) await log.append(entry(number))
  return log.head()
}

const ways = [
  'delete',
  'alter',
  'reorder',
  'truncate',
  'segment',
  'rebuild',
  'rebuild shorter',
] as const

/**
 * T20: somebody with all of a node's files deletes, alters, exchanges or cuts off records, or writes the whole log anew with
 * a fitting head. What stands in the transparency log is out of his reach.
 */
export async function tamperRepeatedly(times: number, seed: number) {
  const chance = createChance(seed)
  const root = await mkdtemp(path.join(os.tmpdir(), 'cami-tamper-'))
  const figures = { tampered: 0, missed: [] as string[] }
  try {
    const whole = path.join(root, 'whole')
    const numbers = Array.from({ length: records }, (_, at) => at)
    const logged = await fill(whole, numbers)
    for (let done = 0; done < times; done++) {
      const dir = path.join(root, 'tampered')
      const way = chance.pick(ways)
      await hurt({ whole, dir, chance, way, numbers })
      await using log = await openAuditLog(dir, small)
      const found = await log.verify(logged)
      if (found.ok) figures.missed.push(`${done}: ${way}`)
      figures.tampered += 1
      await rm(dir, { recursive: true })
    }
    return figures
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

type Hurt = {
  whole: string
  dir: string
  chance: Chance
  way: (typeof ways)[number]
  numbers: readonly number[]
}

async function hurt({ whole, dir, chance, way, numbers }: Hurt): Promise<void> {
  if (way === 'rebuild' || way === 'rebuild shorter') {
    const at = chance.below(numbers.length)
    const rest = way === 'rebuild' ? numbers.with(at, 999) : numbers.slice(0, at)
    await fill(dir, rest)
    return
  }
  await cp(whole, dir, { recursive: true })
  const segments = (await readdir(dir)).filter((name) => name.endsWith('.audit'))
  const file = path.join(dir, chance.pick(segments))
  if (way === 'segment') return await rm(file)
  const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1)
  const at = chance.below(lines.length)
  const line = lines[at] ?? ''
  const letter = 65 + chance.below(line.length - 65)
  const changed = {
    delete: () => lines.toSpliced(at, 1),
    alter: () =>
      lines.with(
        at,
        line.slice(0, letter) + (line[letter] === '7' ? '8' : '7') + line.slice(letter + 1),
      ),
    reorder: () => {
      const other = (at + 1 + chance.below(lines.length - 1)) % lines.length
      return lines.with(at, lines[other] ?? '').with(other, line)
    },
    truncate: () => lines.slice(0, at),
  }[way]()
  await writeFile(file, changed.map((one) => `${one}\n`).join(''))
}
