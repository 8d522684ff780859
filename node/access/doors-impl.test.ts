import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { ErrorCode } from '#protocol/errors.ts'
import { now } from '#protocol/federation.fixture.ts'
import { StudyUid } from '#protocol/ids.ts'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import { sendSlice, stranger as unknownDevice } from '../archive/archive.fixture.ts'
import type { SessionUser } from './session-user.ts'
import {
  hour,
  granted,
  ownUid,
  nowhere,
  query,
  valueOf,
  uids,
  createNode,
  holderIn,
} from './doors-impl.fixture.ts'

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

  test('without the second factor says so of every study that is not her own to read, and lists no other', async () => {
    await using node = await createNode()
    const { doors, world, user } = node
    const short: SessionUser = { ...user, amr: ['pwd'] }
    const guest: SessionUser = { ...short, roles: ['consultant'] }
    const cases: [SessionUser, StudyUid, ErrorCode][] = [
      [short, granted, 'second_factor_required'],
      [short, nowhere, 'study_not_held'],
      [guest, granted, 'second_factor_required'],
      [guest, ownUid, 'role_missing'],
      [guest, nowhere, 'study_not_held'],
    ]
    for (const [who, study, code] of cases) {
      world.audit = []
      await assert.rejects(doors.openStudy(who, study), { code: 'second_factor_required' })
      assert.deepEqual(
        world.audit.map(({ outcome, code }) => [outcome, code]),
        [['denied', code]],
      )
    }
    assert.deepEqual(world.opened, [])
    assert.equal((await doors.openStudy(short, ownUid)).holder, node.place.grantee.oid)
    const query = { level: 'study', match: {}, limit: 10, offset: 0 } as const
    const { matches, warnings } = await doors.search(short, query, 'region')
    assert.deepEqual(uids(matches), [ownUid])
    assert.ok(warnings.some((text) => text.includes('second factor required')))
    const guests = doors.search(guest, query, 'region')
    await assert.rejects(guests, { code: 'second_factor_required' })
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
    assert.equal(holderIn(row), `urn:oid:${node.place.grantee.oid}`)
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
      ['CAMI', 'ONLINE', undefined],
    )
    const name = { vr: 'LO', Value: ['Областная больница'] }
    const code = { vr: 'UR', Value: [`urn:oid:${node.place.grantee.oid}`] }
    assert.deepEqual(row?.['0040A07C'], {
      vr: 'SQ',
      Value: [
        {
          '00080080': name,
          '00080082': { vr: 'SQ', Value: [{ '00080104': name, '00080120': code }] },
        },
      ],
    })
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
    assert.equal(holderIn(row), `urn:oid:${node.holder.oid}`)
    assert.equal(row?.['00080054'], undefined, 'nothing of it can be retrieved here over DIMSE')
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
    // What the index says of the study counts too.
    const ofModality = async (modality: string) =>
      (await doors.search(user, { ...wanted, match: { '00080061': [modality] } }, 'region')).matches
    assert.deepEqual([(await ofModality('CT')).length, (await ofModality('MG')).length], [1, 0])
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
