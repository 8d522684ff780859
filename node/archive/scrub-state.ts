import { open, readFile, rename } from 'node:fs/promises'
import { z } from 'zod'

/** What a scrub must not forget when the process ends. Losing it costs one pass, nothing else. */
export const ScrubState = z.strictObject({
  v: z.literal(1),
  /** Of the pass that is under way, or was last. */
  startedAt: z.int().min(0),
  finishedAt: z.int().min(0).exactOptional(),
  repaired: z.int().min(0),
  damaged: z.int().min(0),
  rows: z.int().min(0),
  /** When each segment was last read whole. */
  verified: z.record(z.string().regex(/^\d+$/), z.int().min(0)),
})
export type ScrubState = z.infer<typeof ScrubState>

export const emptyState = (at: number): ScrubState => ({
  v: 1,
  startedAt: at,
  repaired: 0,
  damaged: 0,
  rows: 0,
  verified: {},
})

/** Undefined when there is none, or none that can be read. */
export async function readState(file: string): Promise<ScrubState | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  try {
    return ScrubState.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

export async function writeState(file: string, state: ScrubState): Promise<void> {
  const next = `${file}.next`
  {
    await using handle = await open(next, 'w')
    await handle.writeFile(JSON.stringify(state))
    await handle.datasync()
  }
  await rename(next, file)
}
