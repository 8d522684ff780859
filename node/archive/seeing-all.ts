import type { Archive, StudyReader } from './archive.ts'
import type { Catalog } from './catalog.ts'

type Doors = Omit<Archive, typeof Symbol.asyncDispose>

/** The catalog follows the log a little later: whoever asks sees everything that was acknowledged before. */
export function seeingAll(doors: Doors, { written }: Pick<Catalog, 'written'>): Doors {
  const after =
    <A extends unknown[], R>(door: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await written()
      return await door(...args)
    }
  const seeing = (reader: StudyReader): StudyReader => ({
    ...reader,
    ...(reader.about && { about: after(reader.about) }),
    series: after(reader.series),
    instances: after(reader.instances),
    instance: after(reader.instance),
    metadata: after(reader.metadata),
  })
  return {
    ...doors,
    open: after(async (grant) => seeing(await doors.open(grant))),
    search: after(doors.search),
    verify: after(doors.verify),
    complete: after(doors.complete),
    facts: after(doors.facts),
    record: after(doors.record),
    changes: after(doors.changes),
    quarantine: after(doors.quarantine),
    overlay: after(doors.overlay),
    overlays: after(doors.overlays),
    attention: after(doors.attention),
    findings: after(doors.findings),
    duplicates: after(doors.duplicates),
    readAs: after(doors.readAs),
    retain: after(doors.retain),
    counts: after(doors.counts),
  }
}
