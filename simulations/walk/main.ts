import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openBrowser } from '../browser.ts'
import { portsFrom } from '../layout.ts'
import { createRandom } from '../random.ts'
import { ensureOperator, ensureViewer } from '../viewer-build.ts'
import { dismissal, earlyDevice, refusal, restriction, revocation, switchOff } from './effects.ts'
import {
  enroll,
  finishEnrollment,
  issueCredential,
  makeKeys,
  openOffice,
  vouch,
  type Administrator,
  type Joined,
} from './joining.ts'
import {
  addDoctors,
  announceDevice,
  appointHead,
  askAccess,
  checkDevice,
  grant,
  read,
  sendCt,
  type Doctor,
} from './sharing.ts'
import { createTally, report } from './tally.ts'
import { createWorld, type World } from './world.ts'

const usage = `npm run walk [-- OPTIONS]   from an empty folder to a reading across two hospitals, through screens alone

  --shots DIR    where screenshots and the table go (default walk-screens)
  --ports BASE   registry at BASE, nodes at BASE + 10 and BASE + 20 (default 7400)
  --keep         leave the region's folder where it is, for a look at its logs
`

const people = {
  crb: { name: 'Петров Пётр Сергеевич', snils: '112-233-445 95', email: 'petrov@crb.kuzdrav.ru' },
  okb: { name: 'Орлов Олег Олегович', snils: '087-654-303 00', email: 'orlov@okb.kuzdrav.ru' },
}
const doctors: Doctor[] = [
  { name: 'Ковалёва Анна Игоревна', login: 'kovaleva.ai', password: '' },
  { name: 'Новикова Ольга Павловна', login: 'novikova.op', password: '' },
  { name: 'Белова Вера Сергеевна', login: 'belova.vs', password: '' },
]

type Administrators = { holder: Administrator; grantee: Administrator }

/** № 1 → keys → № 2, for the holder and for the grantee. */
async function join(world: World, joined: Joined): Promise<Administrators> {
  const { holder, grantee } = world
  const admitted: Administrator[] = []
  for (const [one, admin] of [
    [holder, people.crb],
    [grantee, people.okb],
  ] as const) {
    const link = await enroll(world, joined, { one, admin })
    await issueCredential(world, joined, one)
    admitted.push(await finishEnrollment(world, joined, { one, link, name: one.key }))
  }
  const [first, second] = admitted
  if (first === undefined || second === undefined) throw new Error('nobody was admitted')
  return { holder: first, grantee: second }
}

async function walk(world: World): Promise<void> {
  const { tally, holder, grantee } = world
  const random = createRandom(4)
  const authority = await makeKeys(world)
  const joined = await openOffice(world, authority)
  const administrators = await join(world, joined)
  await vouch(world, joined, { one: holder, codes: ['J-1', 'J-4', 'J-5', 'J-6'] })
  await vouch(world, joined, { one: grantee, codes: ['J-1', 'J-3', 'J-4', 'J-5', 'J-6'] })
  const head = await appointHead(world, joined, holder)
  const administrator = administrators.holder
  const study = await tally.act('7. Форма № 4 и первое исследование', async () => {
    await announceDevice(world, joined, {
      administrator,
      one: holder,
      aeTitle: 'CTCRB',
      daysAhead: 0,
    })
    await checkDevice(world, { administrator, one: holder })
    return await sendCt(holder, { callingAe: 'CTCRB', random })
  })
  const granteeNode = await addDoctors(world, { one: grantee, doctors })
  const holderNode = await tally.act('9. Форма № 5 и доступ', async () => {
    const names = doctors.map(({ name }) => name)
    const asked = await askAccess(world, joined, { administrator, head, names })
    return await grant(world, joined, { ...asked, granteeNode })
  })
  const viewers = await tally.act('10. Чтение исследования другой МО', async () => {
    const first = doctors[0]
    if (first === undefined) throw new Error('no doctor')
    return [{ person: await read(world, first, { study, again: true }), study }]
  })
  for (const doctor of doctors.slice(1)) {
    viewers.push({ person: await read(world, doctor, { study }), study })
  }
  const [kovaleva, novikova, belova] = viewers
  const [, second, third] = doctors
  if (!kovaleva || !novikova || !belova || !second || !third) throw new Error('three doctors read')
  await refusal(world, joined, { administrator, head })
  await earlyDevice(world, joined, { administrator, holderNode, viewer: kovaleva, random })
  const granteeAdministrator = administrators.grantee
  await restriction(world, joined, { granteeAdministrator, viewer: kovaleva })
  await dismissal(world, { granteeNode, doctor: second, viewer: novikova, other: kovaleva })
  await switchOff(world, joined, { doctor: third, viewer: belova })
  await revocation(world, { holderNode, viewer: kovaleva })
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      shots: { type: 'string', default: 'walk-screens' },
      ports: { type: 'string', default: '7400' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return
  }
  const shots = path.resolve(values.shots)
  await mkdir(shots, { recursive: true })
  await ensureViewer()
  await ensureOperator()
  await using stack = new AsyncDisposableStack()
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-walk-'))
  if (values.keep) console.log(dir)
  else stack.defer(() => rm(dir, { recursive: true, force: true }))
  const browser = stack.use(await openBrowser())
  const tally = createTally()
  const ports = portsFrom(Number(values.ports), 2)
  const world = await createWorld({ dir, shots, ports, tally, browser, stack })
  try {
    await walk(world)
  } finally {
    const { text, isKept } = report(tally)
    console.log(`\n${text}`)
    await writeFile(path.join(shots, 'walk.md'), `${text}\n`)
    if (!isKept) process.exitCode = 1
  }
}

try {
  await run()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
