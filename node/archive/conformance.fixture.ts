import { test } from 'node:test'
import type { Archive, Query } from './archive.ts'
import { createClock } from './archive.fixture.ts'
import type { Slice } from './archive.fixture.ts'

export type Time = ReturnType<typeof createClock>
export type Conformance = {
  /** An empty archive, its clock, and how to open it again after it was closed. */
  open(time: Time): Promise<{
    archive: Archive
    reopen(): Promise<Archive>
    remove(): Promise<void>
  }>
}

export type Around = { time: Time; reopen: () => Promise<Archive> }
/** A test with an empty archive. */
export type WithArchive = (
  title: string,
  run: (archive: Archive, around: Around) => Promise<void>,
) => void

export const withArchiveOf =
  (conformance: Conformance): WithArchive =>
  (title, run) =>
    void test(title, async () => {
      const time = createClock()
      const opened = await conformance.open(time)
      let current = opened.archive
      try {
        await run(current, { time, reopen: async () => (current = await opened.reopen()) })
      } finally {
        await current[Symbol.asyncDispose]()
        await opened.remove()
      }
    })

export const query = (more: Partial<Query> = {}): Query => ({
  level: 'study',
  match: {},
  limit: 100,
  offset: 0,
  ...more,
})

export const slice = (sop: string, more: Partial<Slice> = {}): Slice => ({
  study: '1.2.3',
  series: '1.2.3.1',
  sop,
  ...more,
})
