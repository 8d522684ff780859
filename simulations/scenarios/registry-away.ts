import {
  listed,
  promise,
  reader,
  readWhole,
  sendCt,
  valueOf,
  type Row,
  type World,
} from './scenario.ts'

/** With the registry dead, okb lists what it was granted and opens what it has not opened before. */
export async function registryAway(world: World): Promise<string> {
  const { region } = world
  const study = await sendCt(world, 'crb1', { slices: 6 })
  const okb = await reader(world, 'okb')
  await listed(okb, study)
  await region.kill('registry')
  const answer = await okb.get(`/dicom-web/studies?scope=region&StudyInstanceUID=${study.uid}`)
  promise(answer.status === 200, `the region list answered ${answer.status}`)
  const [row] = (await answer.json()) as Row[]
  promise(valueOf(row, '0020000D') === study.uid, 'the study is in the list')
  await readWhole(okb, study)
  const local = await sendCt(world, 'crb2', { slices: 2, size: 64 })
  await readWhole(await reader(world, 'crb2'), local)
  await region.start('registry')
  const later = await sendCt(world, 'crb1', { slices: 2, size: 64 })
  await listed(okb, later)
  return 'listed and read without the registry; caught up when it came back'
}
