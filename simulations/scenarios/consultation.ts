import { listed, promise, reader, readWhole, sendCt, type World } from './scenario.ts'

/** A CT made at crb1 is read at okb, which was granted it, and not at crb2, which was not. */
export async function consultation(world: World): Promise<string> {
  const study = await sendCt(world, 'crb1', { slices: 20 })
  const okb = await reader(world, 'okb')
  await listed(okb, study)
  await readWhole(okb, study)
  const crb2 = await reader(world, 'crb2')
  const denied = await crb2.get(`/dicom-web/studies/${study.uid}`)
  promise(denied.status === 403, `crb2 got ${denied.status}`)
  return `${study.digests.size} instances read whole`
}
