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
  const { disk, log, failure, random } = options
  const idle: SegmentWriter[] = []
  const taken = new Set<SegmentWriter>()
  const unborn: { number: number; file: DiskFile }[] = []
  const waiting: (() => void)[] = []
  let making = 0
  let nextNumber = 1
  let sealedChain: Buffer = noChain

  void failure.failed.then(() => {
    for (const wake of waiting.splice(0)) wake()
  })

  async function make(): Promise<SegmentWriter> {
    const found = unborn.pop()
    const number = found?.number ?? nextNumber++
    let file = found?.file
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
    }
  }

  async function seal(writer: SegmentWriter): Promise<void> {
    try {
      failure.check()
      await writer.append([createRecord('seal', {})])
      await writer.file.sync()
      await writer.file.close()
      sealedChain = writer.chain()
      log.debug({ segment: writer.number, bytes: writer.end() }, 'sealed a segment')
    } catch (cause) {
      const error = failure.ofWrite(cause)
      if (error.code !== 'storage_full') throw error
      // No room even for the seal: the next one who takes it tries again.
      idle.push(writer)
    }
  }

  return {
    async take() {
      while (taken.size + making >= storageLimits.openSegmentsMax) {
        await new Promise<void>((resolve) => waiting.push(resolve))
        failure.check()
      }
      const writer = idle.shift()
      if (writer !== undefined) {
        taken.add(writer)
        return writer
      }
      making++
      try {
        const made = await make()
        taken.add(made)
        return made
      } finally {
        making--
      }
    },
    async release(writer) {
      if (!taken.delete(writer)) return
      if (writer.end() >= options.segmentBytes) await seal(writer)
      else idle.push(writer)
      waiting.shift()?.()
    },
    add(number, started) {
      nextNumber = Math.max(nextNumber, number + 1)
      if (started.state === 'sealed') sealedChain = started.chain
      if (started.state === 'unborn') unborn.push({ number, file: started.file })
      if (started.state === 'open') idle.push(createSegmentWriter(started.segment))
    },
    async reset() {
      for (const { file } of [...idle.splice(0), ...unborn.splice(0)]) await file.close()
      nextNumber = 1
      sealedChain = noChain
    },
    async [Symbol.asyncDispose]() {
      for (const { file } of [...idle.splice(0), ...taken, ...unborn.splice(0)]) await file.close()
      taken.clear()
    },
  }
}
