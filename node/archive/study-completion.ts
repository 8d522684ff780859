import type { StudyUid } from '#protocol/ids.ts'
import { indexLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import { stateOf } from './catalog-rows.ts'
import type { StudyRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { createQuietWatch } from './completion.ts'
import type { Timers } from './completion.ts'
import { completionRecord, spanOf } from './filing.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

/** Marks studies complete when they fall quiet; the mark is a record, so it has a place among the changes. */
export type StudyCompletion = AsyncDisposable & {
  /** Something of the study has come just now, or so long ago. */
  touch(study: StudyUid, agoMs?: number): void
  /** Nothing more will come. */
  settle(study: StudyUid): Promise<void>
}

type CompletionParts = {
  valueLog: Pick<ValueLog, 'append'>
  catalog: Catalog
  sequence: Sequence
  timers: Timers
  /** How long after its last instance a study is complete (DQ-18). */
  quietMs: (about: QuietFacts) => number
  clock: () => number
  log: Log
  /** `late`: instances that came after it was complete before. */
  completed: (study: StudyUid, late: number) => void
}

/** What the time of quiet depends on: who makes the study, and what of. */
export type QuietFacts = { device: string; modalities: readonly string[] }

/** A minute, and five for CT, whose reconstructions come late. */
export const quietOf = ({ modalities }: QuietFacts): number =>
  modalities.includes('CT') ? indexLimits.studyQuietCtMs : indexLimits.studyQuietMs

/** Watches also the studies that were open when the archive was closed. */
export async function createStudyCompletion(parts: CompletionParts): Promise<StudyCompletion> {
  const { clock, log, completed } = parts
  const running = new Set<Promise<void>>()
  const quietOf = (study: StudyUid): number => {
    const { device = '', modalities = [] } = rowOf(parts.catalog, study) ?? {}
    return parts.quietMs({ device, modalities })
  }
  const watch = createQuietWatch(parts.timers, quietOf, (study) => {
    const task = runQuiet(study).finally(() => running.delete(task))
    running.add(task)
  })

  async function run(study: StudyUid): Promise<void> {
    try {
      if (!(await complete(parts, study))) return
      completed(study, parts.catalog.study(study)?.late ?? 0)
    } catch (error) {
      log.warn({ err: error }, 'a study could not be marked complete; it is tried again')
      watch.touch(study)
    }
  }

  /** What came last may be on its way into the catalog: then it is not quiet. */
  async function runQuiet(study: StudyUid): Promise<void> {
    await parts.catalog.written()
    if (!watch.isWatched(study)) await run(study)
  }

  const open: { study: StudyUid; lastReceivedAt: number }[] = []
  for await (const study of parts.catalog.open()) open.push(study)
  for (const { study, lastReceivedAt } of open) watch.touch(study, clock() - lastReceivedAt)

  return {
    touch: (study, agoMs) => watch.touch(study, agoMs),
    settle: run,
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]()
      await Promise.allSettled(running)
      watch[Symbol.dispose]()
    },
  }
}

/** Nothing also while the catalog is being opened again: its study is watched all the same. */
function rowOf(catalog: Catalog, study: StudyUid): StudyRow | undefined {
  try {
    return catalog.study(study)
  } catch {
    return undefined
  }
}

async function complete(
  { valueLog, catalog, sequence, clock }: CompletionParts,
  study: StudyUid,
): Promise<boolean> {
  // While the catalog only grows in memory nothing is added to it: whether it is complete is asked again.
  await catalog.check()
  const row = catalog.study(study)
  if (row === undefined || stateOf(row) === 'complete') return false
  const seq = sequence.next()
  try {
    const completion = { kind: 'complete', seq, study, at: clock() } as const
    const span = spanOf(await valueLog.append([completionRecord(completion)]))
    await catalog.apply({ kind: 'complete', completion, span })
    return true
  } finally {
    sequence.settle(seq)
  }
}
