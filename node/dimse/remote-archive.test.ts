import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { ProtocolError } from '#protocol/errors.ts'
import type { SeriesUid, StudyUid } from '#protocol/ids.ts'
import { createRemoteArchiveDoors, type RemoteMove } from '../access/remote-archive-doors.ts'
import type { SessionUser } from '../access/session-user.ts'
import { holder, searchProof, sendSlice } from '../archive/archive.fixture.ts'
import { device, startTestNode, type TestNode } from './query-retrieve.fixture.ts'
import { createRemoteArchives } from './remote-archive.ts'

let ours: TestNode
let theirs: TestNode
before(async () => {
  ours = await startTestNode([device('CAMI', { services: ['store'] })])
  theirs = await startTestNode([
    device('CAMI', { services: ['query', 'retrieve'], port: ours.port }),
  ])
  for (const number of [1, 2, 3, 4]) {
    const series = `1.2.7.${number % 2}`
    const about = { number, name: 'Иванов^Пётр', patientId: 'P1', accession: 'A1' }
    await sendSlice(theirs.archive, { study: '1.2.7', series, sop: `1.2.7.9.${number}`, ...about })
  }
  await sendSlice(theirs.archive, { study: '1.2.8', series: '1.2.8.1', sop: '1.2.8.1.1' })
})
after(async () => {
  await theirs[Symbol.asyncDispose]()
  await ours[Symbol.asyncDispose]()
})

const person = (role: SessionUser['roles'][number]): SessionUser => ({
  uid: searchProof.user as SessionUser['uid'],
  organization: holder,
  roles: [role],
  enabled: true,
  authTime: Date.now(),
  amr: ['pwd'],
  login: 'a',
  name: 'a',
  position: '',
  department: '',
  workstation: '',
  address: '127.0.0.1',
  session: '',
  expiresAt: Date.now() + 60_000,
})

function open(port = theirs.port) {
  const audited: AuditEntry[] = []
  const known = [
    device('CAMI', { id: 'theirs', port }),
    device('DEAF', { id: 'deaf' }),
    device('LATER', { id: 'later', port, startDate: '2099-01-01' }),
  ]
  const doors = createRemoteArchiveDoors({
    remote: createRemoteArchives({ callingAe: 'CAMI' }),
    audit: { append: async (entry) => void audited.push(entry) },
    devices: { list: () => known, get: (id) => known.find((one) => one.id === id) },
    federation: {
      policy: () => ({ secondFactor: 'optional', staleAfterHours: 24, transparency: 'off' }),
    },
    self: { oid: holder },
    clock: Date.now,
    random: (bytes) => new Uint8Array(bytes),
  })
  return { doors, audited, [Symbol.asyncDispose]: () => doors[Symbol.asyncDispose]() }
}

type Row = Record<string, { Value?: unknown[] }>
const value = (row: Row | undefined, tag: string): unknown => row?.[tag]?.Value?.[0]
const sorted = (rows: readonly Row[], tag: string): string[] =>
  rows.map((row) => String(value(row, tag))).toSorted()

test('an archive of the register answers, and its studies and series are found there', async () => {
  await using opened = open()
  const { doors, audited } = opened
  const user = person('radiographer')
  assert.deepEqual(
    (await doors.list(user)).map(({ id }) => id),
    ['theirs'],
  )
  await doors.echo(user, 'theirs')
  const studies = await doors.find(user, 'theirs', {
    level: 'STUDY',
    match: { '00100010': 'иванов*', '00080050': 'A1' },
  })
  assert.equal(studies.more, false)
  assert.deepEqual(
    studies.matches.map((row) => [value(row, '0020000D'), value(row, '00201208')]),
    [['1.2.7', 4]],
  )
  assert.deepEqual(value(studies.matches[0], '00100010'), { Alphabetic: 'Иванов^Пётр' })
  const series = await doors.find(user, 'theirs', {
    level: 'SERIES',
    match: { '0020000D': '1.2.7' },
  })
  assert.deepEqual(sorted(series.matches, '0020000E'), ['1.2.7.0', '1.2.7.1'])
  assert.deepEqual(
    audited.map(({ event, outcome, detail }) => [event, outcome, detail]),
    [
      ['query', 'success', 'C-ECHO at CAMI'],
      ['query', 'success', 'C-FIND STUDY at CAMI'],
      ['query', 'success', 'C-FIND SERIES at CAMI'],
    ],
  )
})

test('a study or a series of it is sent here, and its progress is told', async () => {
  await using opened = open()
  const { doors, audited } = opened
  const user = person('mo_admin')
  const ended = async (id: string): Promise<RemoteMove | undefined> => {
    for (let attempt = 0; attempt < 3000; attempt++) {
      const found = (await doors.moves(user)).find((move) => move.id === id)
      if (found?.state !== 'running') return found
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return undefined
  }
  const [study, series] = ['1.2.7' as StudyUid, '1.2.7.1' as SeriesUid]
  const { id, state } = await doors.move(user, 'theirs', { study, series })
  assert.equal(state, 'running')
  const done = await ended(id)
  assert.deepEqual([done?.state, done?.counts], ['done', { completed: 2, failed: 0, warning: 0 }])
  const query = { level: 'instance', match: {}, limit: 10, offset: 0 } as const
  const { matches } = await ours.archive.search(searchProof, query)
  assert.deepEqual(sorted(matches, '00080018'), ['1.2.7.9.1', '1.2.7.9.3'])
  assert.deepEqual(
    audited.map(({ event, outcome, instances }) => [event, outcome, instances]),
    [
      ['begin-transferring', 'success', undefined],
      ['import', 'success', 2],
    ],
  )
})

test('who may not, what is no archive, and one that is not there are refused', async () => {
  await using opened = open(1)
  const { doors, audited } = opened
  for (const role of ['radiologist', 'consultant', 'security_auditor'] as const) {
    const other = person(role)
    await assert.rejects(doors.list(other), { code: 'forbidden' })
    await assert.rejects(doors.echo(other, 'theirs'), { code: 'forbidden' })
    await assert.rejects(doors.find(other, 'theirs', { level: 'STUDY', match: {} }), {
      code: 'forbidden',
    })
    await assert.rejects(doors.move(other, 'theirs', { study: '1.2.7' as StudyUid }), {
      code: 'forbidden',
    })
  }
  assert.ok(audited.length === 12 && audited.every(({ code }) => code === 'role_missing'))
  const user = person('radiographer')
  for (const id of ['deaf', 'later', 'nobody']) {
    await assert.rejects(doors.echo(user, id), { code: 'not_found' })
  }
  await assert.rejects(doors.echo(user, 'theirs'), { code: 'unavailable' })
  assert.deepEqual([audited.at(-1)?.outcome, audited.at(-1)?.code], ['failure', 'unavailable'])
})

test('a transfer that is given up while the archive is being reached does not begin', async () => {
  await using deaf = createServer().listen(0, '127.0.0.1')
  await once(deaf, 'listening')
  const remote = createRemoteArchives({ callingAe: 'CAMI' })
  const cancel = new AbortController()
  const away = device('CAMI', { port: (deaf.address() as AddressInfo).port })
  const watch = { signal: cancel.signal, onProgress: () => undefined }
  const sockets: Socket[] = []
  deaf.on('connection', (socket) => {
    sockets.push(socket)
    cancel.abort()
  })
  const moving = remote.move(away, { study: '1.2.7' }, watch)
  const late = sleep(2000, 'still waiting', { ref: false })
  const code = (error: unknown) => (error as ProtocolError).code
  assert.equal(await Promise.race([moving.catch(code), late]), 'aborted')
  for (const socket of sockets) socket.destroy()

  const before = { signal: AbortSignal.abort(), onProgress: () => assert.fail('it was asked') }
  const there = device('CAMI', { port: theirs.port })
  await assert.rejects(remote.move(there, { study: '1.2.7' }, before), { code: 'aborted' })
})
