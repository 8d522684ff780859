import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import type { StudyUid } from '#protocol/ids.ts'
import {
  correctionProof,
  dataSet,
  declare,
  noise,
  openTestArchive,
  send,
} from './archive.fixture.ts'

/**
 * A process that stores until it is killed: four senders, small and streamed instances, index entries, overlays. What
 * was acknowledged is told at once on standard output: `sop sha256`, `entry n`, or `overlay n`.
 */
const [dir = '', first = '0'] = process.argv.slice(2)
const archive = await openTestArchive(dir, { segmentBytes: 3_000_000 })
let next = Number(first)

async function sendForever(): Promise<never> {
  for (;;) {
    const i = next++
    const sop = `1.9.${i}`
    const pixels = noise(i % 40 === 7 ? 4_500_000 : 1000 + (i % 50) * 777, i)
    const bytes = dataSet({ study: `1.${i >> 6}`, series: `1.${i >> 6}.1`, sop, pixels })
    await send(archive, bytes, declare(sop))
    // Not `process.stdout`: what is buffered in the process would die with it.
    writeSync(1, `${sop} ${createHash('sha256').update(bytes).digest('hex')}\n`)
    if (i % 10 !== 0) continue
    await archive.append('index-entry', Buffer.from(`entry ${i}`))
    writeSync(1, `entry ${i}\n`)
    const target = { level: 'study', study: `1.${i >> 6}` as StudyUid } as const
    const attributes = [{ tag: '00100010', new: [`Имя^${i}`] }]
    const request = { kind: 'correct', target, attributes } as const
    const [overlay] = await archive.overlay(correctionProof('demographics'), request)
    writeSync(1, `overlay ${overlay?.seq}\n`)
  }
}

await Promise.all([1, 2, 3, 4].map(sendForever))
