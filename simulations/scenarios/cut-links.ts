import { streamLimits } from '#protocol/limits.ts'
import { eventually } from '../client.ts'
import { listed, promise, reader, readWhole, sendCt, type World } from './scenario.ts'

type Transfer = {
  state: string
  instances: { done: number; total: number }
  bytes: { done: number; total: number; received: number }
}

/** The holder dies in the middle of a transfer and comes back: it resumes, re-sending less than one chunk a stream. */
export async function cutLinks(world: World): Promise<string> {
  const { region } = world
  const study = await sendCt(world, 'crb1', { slices: 300 })
  const okb = await reader(world, 'okb')
  await listed(okb, study)
  const progress = () => okb.json<Transfer>(`/api/studies/${study.uid}/transfer`)
  const opened = await okb.get(`/dicom-web/studies/${study.uid}/series`)
  promise(opened.status === 200, `the study opened with ${opened.status}`)
  const middle = await eventually('a fifth of the study here', async () => {
    const transfer = await progress()
    return transfer.bytes.done > transfer.bytes.total / 5 ? transfer : undefined
  })
  await region.kill('crb1')
  promise(middle.bytes.done < middle.bytes.total, 'the transfer was over before the cut')
  await region.start('crb1')
  const done = await eventually(
    'the whole study here',
    async () => {
      const transfer = await progress()
      return transfer.state === 'complete' ? transfer : undefined
    },
    90_000,
  )
  await readWhole(okb, study)
  const again = done.bytes.received - done.bytes.total
  promise(again >= 0 && again < streamLimits.chunkBytes, `${again} bytes came twice`)
  return `cut at ${middle.bytes.done} of ${middle.bytes.total} bytes; ${again} bytes came twice`
}
