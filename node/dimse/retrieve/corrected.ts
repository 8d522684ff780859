import type { StudyReader } from '../../archive/archive.ts'
import { heldInstance } from '../../archive/held-instance.ts'
import type { Wanted } from './selection.ts'

/**
 * The instance with its corrections written into it and the values that they replaced (PS3.3 §C.12.1.1.9), to be fitted
 * as one that was stored so; itself where nothing was corrected.
 */
export async function asCorrected(wanted: Wanted): Promise<Wanted> {
  const { reader, sop } = wanted
  const entry = await reader.instance(sop)
  if (entry?.overlay === undefined) return wanted
  const shown = await reader.corrected?.(sop)
  if (shown === undefined) return wanted
  let held: ReturnType<typeof heldInstance> | undefined
  const hold = () => (held ??= heldInstance(entry, shown))
  const view: Pick<StudyReader, 'read' | 'instance'> = {
    instance: async () => hold(),
    async *read(_sop, range) {
      if (range === undefined) yield* shown.read()
      else yield await (await hold()).data.read(range.offset, range.length)
    },
  }
  const { transferSyntax, bytes } = shown
  return { ...wanted, reader: view, transferSyntax, bytes, isCorrected: false }
}
