import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import path from 'node:path'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import { now, studyRecord } from '#protocol/federation.fixture.ts'
import { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import type { IndexEntry } from '#protocol/index-log.ts'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import {
  openTestArchive,
  sendSlice,
  stranger as unknownDevice,
} from '../archive/archive.fixture.ts'
import type { Query, StudyReader } from '../archive/archive.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { silentLog } from '../log.ts'
import { openReplica } from '../replica/replica.ts'
import { createDoors } from './doors-impl.ts'
import { createPlace } from './federation.fixture.ts'
import type { Restrictions } from './restrictions.ts'
import type { SessionUser } from './session-user.ts'

const hour = 60 * 60 * 1000
const granted = studyRecord.study
const ownUid = StudyUid.parse('1.2.3.10')
const nowhere = StudyUid.parse('1.2.3.99')

const query = (over: Partial<Query> = {}): Query => ({
  level: 'study',
  match: {},
  limit: 100,
  offset: 0,
  ...over,
})
const valueOf = (row: DicomJson | undefined, tag: string) => row?.[tag]?.Value?.[0]
const uids = (rows: readonly DicomJson[]) => rows.map((row) => valueOf(row, '0020000D'))

/** The grantee's node: own archive, replicated index, a received grant; only the holder at the other end is played. */
async function createNode(restrictions?: Pick<Restrictions, 'current'>) {
  await using stack = new AsyncDisposableStack()
  const place = stack.use(await createPlace())
  const { grantee, holder, stranger } = place
  const federation = stack.use(await place.start(grantee))
  await federation.intake.directory(await place.everybody())
  const grant = await place.sign.grant()
  await federation.intake.grants([{ grant, active: true }])
  const archive = stack.use(
    await openTestArchive(path.join(place.dir, 'archive'), {
      holder: grantee.oid,
      clock: () => now,
    }),
  )
  const slice = { study: ownUid, series: '1.2.3.10.1', sop: '1.2.3.10.1.1' }
  await sendSlice(archive, { ...slice, name: 'Кузнецова^Вера', date: '20261123' })
  const replica = stack.use(
    await openReplica({ dir: path.join(place.dir, 'replica'), log: silentLog }),
  )
  const records = [
    { ...studyRecord, series: [{ uid: '1.2.9.1', modality: 'CT' }] },
    { ...studyRecord, study: '1.2.4', modalities: ['DX'], date: '20261125' },
    { ...studyRecord, study: '1.2.5', date: '20261122' },
  ]
  const series = { number: '1', description: '', bodyPart: '', instances: 2 }
  const complete = records.map((record) => ({
    ...record,
    series: record.series.map((one) => ({ ...series, ...one })),
  }))
  const state = { seq: 3, digest: 'ab'.repeat(32) as never, visibility: '' }
  await replica.apply(
    holder.oid,
    complete.map((record) => ({ kind: 'study', record }) as unknown as IndexEntry),
    state,
  )
  const world = {
    audit: [] as AuditEntry[],
    auditFails: false,
    opened: [] as string[],
    closed: [] as string[],
    refusal: undefined as ErrorCode | undefined,
  }
  const doors = stack.use(
    createDoors({
      archive,
      audit: {
        append(entry) {
          if (world.auditFails) {
            return Promise.reject(new ProtocolError('audit_unavailable', 'the disk is full'))
          }
          world.audit.push(entry)
          return Promise.resolve()
        },
      },
      federation,
      replica,
      remote: {
        open({ study, holder }) {
          world.opened.push(study)
          if (world.refusal !== undefined) {
            return Promise.reject(new ProtocolError(world.refusal, 'as the test says'))
          }
          return Promise.resolve(remoteReader(study, holder))
        },
        closeStudy: (id) => world.closed.push(id),
      },
      self: { oid: grantee.oid, name: 'Областная больница', kid: grantee.kid },
      clock: () => now,
      ...(restrictions !== undefined && { restrictions }),
    }),
  )
  const user: SessionUser = {
    uid: place.user,
    organization: grantee.oid,
    roles: ['radiologist'],
    enabled: true,
    authTime: now - hour,
    amr: ['pwd', 'otp'],
    login: 'petrova',
    name: 'Петрова',
    position: 'врач-рентгенолог',
    department: 'ОЛД',
    workstation: 'ws-17',
    address: '127.0.0.1',
    session: 'ab'.repeat(32),
    expiresAt: now + hour,
  }
  const closing = stack.move()
  return {
    place,
    federation,
    archive,
    doors,
    world,
    user,
    other: { ...user, uid: place.otherUser, session: 'cd'.repeat(32) },
    grant,
    holder,
    stranger,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

function remoteReader(study: StudyUid, holder: OrganizationOid): StudyReader {
  const entry = (series: string) => ({
    series,
    attributes: { '00080060': { vr: 'CS', Value: ['CT'] } },
  })
  return {
    study,
    holder,
    series: () => Promise.resolve([entry('1.2.9.1'), entry('1.2.9.2')]),
    instances: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  } as unknown as StudyReader
}

describe('opening a study', () => {
  test('of one’s own archive is audited before it is read, once per session and minutes', async () => {
    await using node = await createNode()
    const { doors, world, user } = node
    {
      await using reader = await doors.openStudy(user, ownUid)
      await using again = await doors.openStudy(user, ownUid)
      assert.equal((await reader.instances()).length, (await again.instances()).length)
      await doors.accessed(user, reader, { detail: 'frames', instances: 1, bytes: 8 })
    }
    const { oid } = node.place.grantee
    const who = { organization: oid, user: user.uid, role: 'radiologist', source: 'ws-17' }
    assert.deepEqual(world.audit, [
      { ...who, event: 'study-opened', outcome: 'success', holder: oid, study: ownUid },
      {
        ...who,
        event: 'instances-accessed',
        outcome: 'success',
        holder: oid,
        study: ownUid,
        detail: 'frames',
        instances: 1,
        bytes: 8,
      },
    ])
  })

  test('of another organization goes to the holder under the grant that names the user', async () => {
    await using node = await createNode()
    const { doors, world, user, holder } = node
    await using reader = await doors.openStudy(user, granted)
    assert.equal(reader.holder, holder.oid)
    assert.deepEqual(world.opened, [granted])
    const [entry] = world.audit
    assert.deepEqual(
      [entry?.event, entry?.outcome, entry?.holder, entry?.grant],
      ['study-opened', 'success', holder.oid, node.place.claims.grantRequest().jti],
    )
  })

  test('that may not be read, and one that does not exist, look alike; the audit knows the reason', async () => {
    await using node = await createNode()
    const { doors, world, user, other } = node
    const cases: [SessionUser, StudyUid, ErrorCode][] = [
      [user, nowhere, 'study_not_held'],
      [other, granted, 'user_not_named'],
      [user, StudyUid.parse('1.2.4'), 'study_out_of_scope'],
      [{ ...user, roles: ['mo_admin'] }, ownUid, 'role_missing'],
      [{ ...user, roles: ['mo_admin'] }, granted, 'role_missing'],
      [{ ...user, enabled: false }, ownUid, 'user_disabled'],
      [{ ...user, authTime: now - 13 * hour }, ownUid, 'session_too_old'],
      [{ ...user, amr: ['pwd'] }, granted, 'second_factor_required'],
    ]
    for (const [who, study, code] of cases) {
      world.audit = []
      await assert.rejects(doors.openStudy(who, study), { code: 'forbidden' })
      assert.deepEqual(
        world.audit.map(({ event, outcome, code }) => [event, outcome, code]),
        [['study-opened', 'denied', code]],
      )
    }
    assert.deepEqual(world.opened, [])
  })

  test('that the holder refuses, or cannot serve, is audited as such', async () => {
    await using node = await createNode()
    const { doors, world, user } = node
    for (const [code, outcome] of [
      ['forbidden', 'denied'],
      ['holder_unreachable', 'failure'],
    ] as const) {
      world.refusal = code
      await assert.rejects(doors.openStudy(user, granted), { code })
      assert.deepEqual([world.audit.at(-1)?.outcome, world.audit.at(-1)?.code], [outcome, code])
    }
  })

  test('does not happen when the audit cannot be written', async () => {
    await using node = await createNode()
    node.world.auditFails = true
    for (const study of [ownUid, granted]) {
      await assert.rejects(node.doors.openStudy(node.user, study), { code: 'audit_unavailable' })
    }
  })

  test('prefers the own archive when the study is here and elsewhere', async () => {
    await using node = await createNode()
    await sendSlice(node.archive, { study: granted, series: '1.2.8.1', sop: '1.2.8.1.1' })
    await using reader = await node.doors.openStudy(node.user, granted)
    assert.equal(reader.holder, node.place.grantee.oid)
    const { matches } = await node.doors.search(node.user, query(), 'region')
    assert.equal(uids(matches).filter((uid) => uid === granted).length, 1)
    const row = matches.find((one) => valueOf(one, '0020000D') === granted)
    assert.equal(valueOf(row, '00080054'), node.place.grantee.oid)
  })

  test('ends when its grant ends', async () => {
    await using node = await createNode()
    await node.federation.intake.grants([{ grant: node.grant, active: false }])
    assert.deepEqual(node.world.closed, [node.holder.oid])
    await assert.rejects(node.doors.openStudy(node.user, granted), { code: 'forbidden' })
    assert.equal(node.world.audit.at(-1)?.code, 'grant_inactive')
  })
})

describe('a page that shows a study', () => {
  test('is told why it may not any more, if it has had it open; nobody else is', async () => {
    await using node = await createNode()
    const { doors, world, user, other } = node
    for (const who of [other, { ...user, session: 'ef'.repeat(32) }]) {
      const asked = who === other ? granted : nowhere
      await assert.rejects(doors.stillOpen(who, asked), { code: 'forbidden' })
    }
    assert.deepEqual(await doors.stillOpen(user, granted), { open: true })
    world.refusal = 'forbidden'
    const { oid: holder } = node.holder
    const refused = { open: false, because: 'forbidden', holder }
    assert.deepEqual(await doors.stillOpen(user, granted), refused)
    const asked = world.audit.length
    await node.federation.intake.grants([{ grant: node.grant, active: false }])
    const ended = { open: false, because: 'grant_inactive', holder }
    assert.deepEqual(await doors.stillOpen(user, granted), ended)
    assert.equal(world.audit.length, asked, 'what is known here is not another attempt')
    await assert.rejects(doors.stillOpen(other, granted), { code: 'forbidden' })
  })

  test('hears what the operator has limited here, in words', async () => {
    const limit = {
      number: '4/2026',
      scope: 'cami',
      level: 'no_consult',
      clause: '8.2.1',
      reason: 'общий пароль',
      remedy: 'сменить',
      start: '2026-11-25',
    } as const
    const limits: RestrictionRecord[] = []
    await using node = await createNode({ current: () => limits })
    assert.deepEqual(await node.doors.stillOpen(node.user, granted), { open: true })
    limits.push(limit)
    const answer = await node.doors.stillOpen(node.user, granted)
    assert.ok(!answer.open)
    assert.equal(answer.because, 'organization_restricted')
    assert.match(answer.sentence ?? '', /Исследования других МО закрыты .*4\/2026.*общий пароль/)
    await assert.rejects(node.doors.openStudy(node.user, granted), { code: 'forbidden' })
  })
})

describe('lists', () => {
  test('of the own archive name this organization as holder', async () => {
    await using node = await createNode()
    const { matches, warnings } = await node.doors.search(node.user, query(), 'own')
    assert.deepEqual(uids(matches), [ownUid])
    const [row] = matches
    assert.deepEqual(
      ['00080054', '00080056', '00080080'].map((tag) => valueOf(row, tag)),
      [node.place.grantee.oid, 'ONLINE', 'Областная больница'],
    )
    assert.deepEqual(warnings, [])
    assert.deepEqual(node.world.audit.at(-1)?.detail, 'study own: 1')
  })

  test('of the region add what grants let this user see, newest first, in pages that fit together', async () => {
    await using node = await createNode()
    const { doors, user } = node
    const all = await doors.search(user, query(), 'region')
    assert.deepEqual(uids(all.matches), [granted, ownUid, '1.2.5'])
    assert.equal(all.more, false)
    const [row] = all.matches
    assert.equal(valueOf(row, '00080054'), node.holder.oid)
    const pages: unknown[] = []
    for (let offset = 0; offset < 3; offset++) {
      const page = await doors.search(user, query({ offset, limit: 1 }), 'region')
      pages.push(...uids(page.matches))
      assert.equal(page.more, offset < 2)
    }
    assert.deepEqual(pages, uids(all.matches))
    const named = await doors.search(user, query({ match: { '00100010': ['ИВАНОВ*'] } }), 'region')
    assert.deepEqual(uids(named.matches), [granted, '1.2.5'])
  })

  test('of the region show another user, whom no grant names, the own archive only', async () => {
    await using node = await createNode()
    const { matches } = await node.doors.search(node.other, query(), 'region')
    assert.deepEqual(uids(matches), [ownUid])
  })

  test('tell who is out of reach, in plain ASCII', async () => {
    await using node = await createNode()
    const { matches, warnings } = await node.doors.search(node.user, query(), 'region')
    assert.equal(warnings.length, 2)
    assert.match(warnings.join(), /^registry unreachable for \d+ s,holder 1\.2\.643\.[\d.]+ /)
    assert.equal(valueOf(matches[0], '00080056'), 'OFFLINE')
    node.federation.intake.registry({
      request: () => Promise.reject(new Error('not used')),
      refresh: () => Promise.resolve(),
    })
    const later = await node.doors.search(node.user, query(), 'region')
    assert.deepEqual(later.warnings, [])
    assert.equal(valueOf(later.matches[0], '00080056'), 'ONLINE')
  })

  test('of series come from the holder, else from the index while the holder is away', async () => {
    await using node = await createNode()
    const { doors, user, world } = node
    const wanted = query({ level: 'series', study: granted })
    const near = await doors.search(user, wanted, 'region')
    assert.deepEqual(
      near.matches.map((row) => valueOf(row, '0020000E')),
      ['1.2.9.1', '1.2.9.2'],
    )
    world.refusal = 'holder_unreachable'
    const far = await doors.search(user, wanted, 'region')
    assert.deepEqual(
      far.matches.map((row) => valueOf(row, '0020000E')),
      ['1.2.9.1'],
    )
    assert.equal(far.warnings.length, 1)
    world.refusal = 'forbidden'
    assert.deepEqual((await doors.search(user, wanted, 'region')).matches, [])
    assert.deepEqual((await doors.search(node.other, wanted, 'region')).matches, [])
    const own = await doors.search(user, query({ level: 'series', study: ownUid }), 'own')
    assert.deepEqual(
      own.matches.map((row) => valueOf(row, '0020000E')),
      ['1.2.3.10.1'],
    )
  })

  test('are refused to who may see no studies, and the refusal is audited', async () => {
    await using node = await createNode()
    const admin: SessionUser = { ...node.user, roles: ['mo_admin'] }
    for (const scope of ['own', 'region'] as const) {
      const asked = node.doors.search(admin, query(), scope)
      await assert.rejects(asked, { code: 'forbidden' }, scope)
    }
    assert.deepEqual(node.world.audit.at(-1)?.code, 'role_missing')
  })

  test('a consultant, who has no studies of her own organization, sees what names her', async () => {
    await using node = await createNode()
    const consultant: SessionUser = { ...node.user, roles: ['consultant'] }
    const { matches } = await node.doors.search(consultant, query(), 'region')
    assert.deepEqual(uids(matches), [granted, '1.2.5'])
  })
})

test('the quarantine is listed for the administrator alone', async () => {
  await using node = await createNode()
  const slice = { study: '1.2.7', series: '1.2.7.1', sop: '1.2.7.1.1' }
  await sendSlice(node.archive, slice, unknownDevice)
  const admin: SessionUser = { ...node.user, roles: ['mo_admin'] }
  const [entry] = await node.doors.quarantine(admin)
  assert.equal(entry?.reason, 'unknown-device')
  await assert.rejects(node.doors.quarantine(node.user), { code: 'forbidden' })
})
