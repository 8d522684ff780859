import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { LogFailure } from './log-failure.ts'
import { chainBytes, createRecord, noChain, saltBytes } from './log-record.ts'
import { segmentName } from './log-start.ts'
import type { Started } from './log-start.ts'
import { createSegmentWriter } from './segment-writer.ts'
import type { SegmentWriter } from './segment-writer.ts'

/** The segments that take records. A taken one belongs to its taker until it is released. */
export type SegmentPool = AsyncDisposable & {
  /** An idle segment, or a new one; waits while all are taken. */
  take(): Promise<SegmentWriter>
  /** Back to the pool; sealed when it is full. The caller has synced it. */
  release(writer: SegmentWriter): Promise<void>
  /** A segment as it was found at the start. */
  add(number: number, started: Started): void
  /** Whether a segment may still grow. */
  isOpen(number: number): boolean
  /** Forgets what was added. */
  reset(): Promise<void>
}

type PoolOptions = {
  disk: Disk
  log: Log
  random: (bytes: number) => Uint8Array
  segmentBytes: number
  failure: LogFailure
}

export function createSegmentPool(options: PoolOptions): SegmentPool {
  const { failure } = options
  const files = createSegmentFiles(options)
  const idle: SegmentWriter[] = []
  const taken = new Set<SegmentWriter>()
  const waiting: (() => void)[] = []
  let making = 0

  void failure.failed.then(() => {
    for (const wake of waiting.splice(0)) wake()
  })

  return {
    async take() {
      while (taken.size + making >= storageLimits.openSegmentsMax) {
        await new Promise<void>((resolve) => waiting.push(resolve))
        failure.check()
      }
      making++
      try {
        const writer = idle.shift() ?? (await files.make())
        taken.add(writer)
        return writer
      } catch (error) {
        // Its place is free: who waits may be told the same, or finds that there is room again.
        waiting.shift()?.()
        throw error
      } finally {
        making--
      }
    },
    async release(writer) {
      if (!taken.delete(writer)) return
      const isFull = writer.end() >= options.segmentBytes
      // Without room even for the seal it stays: the next one who takes it tries again.
      if (!isFull || !(await files.seal(writer))) idle.push(writer)
      waiting.shift()?.()
    },
    add(number, started) {
      files.add(number, started)
      if (started.state === 'open') idle.push(createSegmentWriter(started.segment))
    },
    isOpen: (number) =>
      files.isOpen(number) || [...idle, ...taken].some((writer) => writer.number === number),
    async reset() {
      for (const { file } of idle.splice(0)) await file.close()
      await files.reset()
    },
    async [Symbol.asyncDispose]() {
      for (const { file } of [...idle.splice(0), ...taken]) await file.close()
      taken.clear()
      await files.reset()
    },
  }
}

/** Makes and seals segments. */
function createSegmentFiles({ disk, log, failure, random }: PoolOptions) {
  const unborn: { number: number; file: DiskFile }[] = []
  let nextNumber = 1
  let sealedChain: Buffer = noChain
  const busy = new Set<number>()

  return {
    async make(): Promise<SegmentWriter> {
      const found = unborn.pop()
      const number = found?.number ?? nextNumber++
      let file = found?.file
      busy.add(number)
      try {
        file ??= await disk.open(segmentName(number), 'create')
        await file.truncate(0)
        const salt = Buffer.from(random(saltBytes))
        const state = { number, file, salt, end: 0, chain: noChain, reported: 0 }
        // `reported` stays 0: the first record that is reported covers this one.
        const first = createSegmentWriter(state)
        const header = { number, previous: sealedChain.toString('hex', 0, chainBytes) }
        await first.append([createRecord('segment', header)])
        await file.sync()
        // Without its name in the folder a file is lost with everything synced into it.
        await disk.syncNames()
        log.debug({ segment: number }, 'opened a segment of the value log')
        return createSegmentWriter({ ...state, end: first.end(), chain: first.chain() })
      } catch (cause) {
        if (file !== undefined) unborn.push({ number, file })
        throw failure.ofWrite(cause)
      } finally {
        busy.delete(number)
      }
    },
    /** False when the disk is full. */
    async seal(writer: SegmentWriter): Promise<boolean> {
      busy.add(writer.number)
      try {
        failure.check()
        await writer.append([createRecord('seal', {})])
        await writer.file.sync()
        await writer.file.close()
        sealedChain = writer.chain()
        log.debug({ segment: writer.number, bytes: writer.end() }, 'sealed a segment')
        return true
      } catch (cause) {
        const error = failure.ofWrite(cause)
        if (error.code !== 'storage_full') throw error
        return false
      } finally {
        busy.delete(writer.number)
      }
    },
    add(number: number, started: Started): void {
      nextNumber = Math.max(nextNumber, number + 1)
      if (started.state === 'sealed') sealedChain = started.chain
      if (started.state === 'unborn') unborn.push({ number, file: started.file })
    },
    // Between its making and its first record, and before its seal is whole, it is in nobody's hands.
    isOpen: (number: number): boolean =>
      busy.has(number) || unborn.some((u) => u.number === number),
    async reset(): Promise<void> {
      for (const { file } of unborn.splice(0)) await file.close()
      nextNumber = 1
      sealedChain = noChain
    },
  }
}
