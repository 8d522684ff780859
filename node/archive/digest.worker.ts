import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import { createChunkHasher, cutChunks } from './chunk-hasher.ts'
import type { DigestAnswer, DigestJob } from './digests.ts'
import { laneCount } from './sha256-lanes.ts'

const hashChunks = createChunkHasher()
type Cut = { job: DigestJob; chunks: Uint8Array[] }

const cut = (job: DigestJob): Cut => ({
  job,
  chunks: cutChunks(new Uint8Array(job.memory, 0, job.length)),
})

/** What waits already is hashed together with it, until there are enough chunks to be hashed side by side. */
parentPort?.on('message', (first: DigestJob) => {
  const cuts = [cut(first)]
  for (let count = first.chunks; count < laneCount;) {
    const next = parentPort && receiveMessageOnPort(parentPort)
    if (next === null || next === undefined) break
    const job = next.message as DigestJob
    count += job.chunks
    cuts.push(cut(job))
  }
  const digests = hashChunks(cuts.flatMap(({ chunks }) => chunks))
  let at = 0
  for (const { job, chunks } of cuts) {
    const mine = digests.slice(at, (at += chunks.length))
    const answer: DigestAnswer = {
      id: job.id,
      memory: job.memory,
      digests: new Uint8Array(Buffer.concat(mine)),
    }
    parentPort?.postMessage(answer, [job.memory])
  }
})
