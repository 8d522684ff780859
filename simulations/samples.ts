import { createStoreScu, type StoreItem } from '../node/dimse/scu.ts'
import { createCt } from './modality/ct.ts'
import { createDx } from './modality/dx.ts'
import { createMg } from './modality/mg.ts'
import { createMr } from './modality/mr.ts'
import { createUid, type StudyContext } from './modality/study.ts'
import { createUs } from './modality/us.ts'
import { createPerson, createWorker } from './people.ts'
import { createRandom, type Random } from './random.ts'
import type { RegionNode } from './region-file.ts'

/** What a hospital of the simulated region has made before anybody looks: one study of each kind of apparatus. */

type Kind = {
  title: string
  sex?: 'M' | 'F'
  make: (context: StudyContext, random: Random) => Iterable<StoreItem>
}

const kinds: Record<'ct' | 'dx' | 'mr' | 'us' | 'mg', Kind> = {
  ct: { title: 'КТ органов грудной клетки', make: (context, random) => createCt(context, random) },
  dx: { title: 'Рентгенография ОГК', make: (context, random) => [createDx(context, random)] },
  mr: { title: 'МРТ головного мозга', make: (context, random) => createMr(context, random) },
  us: { title: 'Эхокардиография', make: (context, random) => [createUs(context, random)] },
  mg: { title: 'Маммография', sex: 'F', make: (context, random) => createMg(context, random) },
}

/** Which apparatus each hospital has; further ones take the last line. */
const equipment: (keyof typeof kinds)[][] = [
  ['mr', 'dx'],
  ['ct', 'dx', 'us', 'mg'],
  ['dx', 'us'],
]

/** Sends the samples of one hospital to its node over real C-STORE; throws when one is refused. */
export async function sendSamples(options: {
  node: RegionNode
  index: number
  seed: number
  now?: number
}): Promise<number> {
  const { node, index, seed, now = Date.now() } = options
  const random = createRandom(seed * 1009 + index)
  await using scu = createStoreScu({
    host: node.dimse.host,
    port: node.dimse.port,
    callingAe: node.dimse.callingAeTitles[0] ?? 'STORESCU',
    calledAe: node.dimse.aeTitle,
  })
  let sent = 0
  for (const key of equipment[index] ?? equipment.at(-1) ?? []) {
    const kind = kinds[key]
    const context = studyContext({ node, random, kind, now })
    for await (const { status, comment, sopUid } of scu.store(kind.make(context, random))) {
      if (status !== 0) throw new Error(`${node.key} refused ${sopUid}: ${status} ${comment}`)
      sent++
    }
  }
  return sent
}

function studyContext(options: {
  node: RegionNode
  random: Random
  kind: Kind
  now: number
}): StudyContext {
  const { node, random, kind, now } = options
  const made = new Date(now - random.int(5 * 24 * 60) * 60_000).toISOString()
  return {
    patient: createPerson(random, kind.sex),
    issuer: node.organization.oid,
    institution: node.organization.name,
    studyUid: createUid(random),
    date: made.slice(0, 10).replaceAll('-', ''),
    time: made.slice(11, 19).replaceAll(':', ''),
    accession: `${node.key.toUpperCase()}-${10_000 + random.int(90_000)}`,
    description: kind.title,
    referrer: createWorker(random, 'F').replaceAll(' ', '^'),
  }
}
