import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import type { AuditEvent } from '#protocol/audit-event.ts'
import { codeOf } from '#protocol/errors.ts'
import { ulid, urnOf } from '#protocol/ids.ts'
import type { OrganizationOid, PeerIdString, StudyUid } from '#protocol/ids.ts'
import { createSigner, type Signer } from '#protocol/jws.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import { readFile } from 'node:fs/promises'
import { readKeyFile } from '../../certs/key-file.ts'
import { createKey } from '../../certs/authority.ts'
import { accountsFile, userIdOf, type SeededAccount } from '../accounts.ts'
import { eventually, signIn, type Client } from '../client.ts'
import { nodeKeyFile } from '../identities.ts'
import { createRandom } from '../random.ts'
import { createUid } from '../modality/study.ts'
import { readFrames, rogueHost } from './rogue.fixture.ts'
import { signInAtOffice } from './office.ts'
import { regionStudies, testRegion, type TestRegion } from './region.fixture.ts'
import { sendCt, valueOf, type Row } from './scenario.ts'

/**
 * Who has no grant sees nothing, at her own node's doors and at the holder's: every door and every kind of wrong
 * assertion, in one table each.
 */

let world: TestRegion
let crb2: Client
let crb1Admin: Client
let crb2Admin: Client
const studies: StudyUid[] = []
let first: { study: string; series: string; sop: string }
const random = createRandom(44)

async function sendStudy(): Promise<void> {
  const { uid } = await sendCt({ ...world, random }, 'crb1', { slices: 2, size: 64 })
  studies.push(uid as StudyUid)
}

before(
  async () => {
    world = await testRegion(2)
    const { region } = world
    await sendStudy()
    await sendStudy()
    const okb = await signIn(region.node('okb').url, region.account('okb', 'radiologist'))
    await regionStudies(okb, 4)
    const [row] = await okb.json<Row[]>(`/dicom-web/studies/${studies[0]}/instances`)
    first = {
      study: valueOf(row, '0020000D'),
      series: valueOf(row, '0020000E'),
      sop: valueOf(row, '00080018'),
    }
    crb2 = await signIn(region.node('crb2').url, region.account('crb2', 'radiologist'))
    crb1Admin = await signIn(region.node('crb1').url, region.account('crb1', 'mo_admin'))
    crb2Admin = await signIn(region.node('crb2').url, region.account('crb2', 'mo_admin'))
  },
  { timeout: 240_000 },
)

after(() => world?.[Symbol.asyncDispose]())

const audit = async (client: Client, study: string): Promise<AuditEvent[]> => {
  const answer = await client.json<{ events: AuditEvent[] }>(`/api/audit?study=${study}&limit=500`)
  return answer.events
}

test('searches at crb2 leave the study out', async () => {
  for (const scope of ['', '&scope=region']) {
    for (const path of [
      `/dicom-web/studies?StudyInstanceUID=${first.study}${scope}`,
      `/dicom-web/studies?PatientName=*${scope}`,
      `/dicom-web/studies/${first.study}/series?limit=10${scope}`,
      `/dicom-web/studies/${first.study}/instances?limit=10${scope}`,
      `/dicom-web/series?StudyInstanceUID=${first.study}${scope}`,
      `/dicom-web/instances?StudyInstanceUID=${first.study}${scope}`,
    ]) {
      const answer = await crb2.get(path, { accept: 'application/dicom+json' })
      assert.ok([200, 204].includes(answer.status), `${path}: ${answer.status}`)
      const rows = answer.status === 204 ? [] : ((await answer.json()) as Row[])
      assert.deepEqual(
        rows.filter((row) => valueOf(row, '0020000D') === first.study),
        [],
      )
    }
  }
})

test('every retrieval at crb2 answers the same 403 as for a study that does not exist, and is audited', async () => {
  const doors = (study: string) => {
    const base = `/dicom-web/studies/${study}`
    const instance = `${base}/series/${first.series}/instances/${first.sop}`
    return [
      base,
      `${base}/metadata`,
      `${base}/thumbnail`,
      `${base}/series/${first.series}`,
      `${base}/series/${first.series}/metadata`,
      `${base}/series/${first.series}/thumbnail`,
      instance,
      `${instance}/metadata`,
      `${instance}/frames/1`,
      `${instance}/bulkdata/7FE00010`,
      `${instance}/thumbnail`,
      `/dicom-web?requestType=WADO&studyUID=${study}&seriesUID=${first.series}&objectUID=${first.sop}`,
      `/api/studies/${study}/transfer`,
    ]
  }
  const missing = createUid(random)
  const before = (await audit(crb2Admin, first.study)).length
  for (const [index, door] of doors(first.study).entries()) {
    const [denied, absent] = [await crb2.get(door), await crb2.get(doors(missing)[index] ?? '')]
    assert.equal(denied.status, 403, door)
    assert.equal(absent.status, 403, door)
    assert.equal(await denied.text(), await absent.text(), door)
  }
  const events = (await audit(crb2Admin, first.study)).slice(before)
  const denials = events.filter(({ outcome }) => outcome === 'denied')
  assert.ok(denials.length >= doors('').length, `${denials.length} denials in the audit`)
})

type Attempt = {
  name: string
  /** Whose node the request comes from. */
  from: 'okb' | 'crb2'
  study: () => StudyUid
  assertion: (signers: { okb: Signer; crb2: Signer; stranger: Signer }) => Promise<string>
  /** The true reason in crb1's audit. */
  code: string
  /** Sent once before, as a good request. */
  isReplay?: boolean
}

test('in an emergency crb2 opens one study where the head of crb1 offers it, and crb1 ends and reviews it', async () => {
  const { region } = world
  const crb1 = region.node('crb1')
  const head = { role: 'head_of_mo', login: 'head.crb1', password: 'the head of a hospital 7' }
  const person = { name: 'Глава', position: 'главный врач', department: '', roles: ['head_of_mo'] }
  const { role: _, ...account } = head
  assert.equal((await crb1Admin.post('/api/accounts/users', { ...account, ...person })).status, 200)
  const crb1Head = await signIn(crb1.url, head)
  const holder = crb1.organization.oid
  const offered = async () =>
    (await crb2.json<{ offered: boolean }>(`/api/holders/${holder}/emergency`)).offered
  const door = `/dicom-web/studies/${first.study}/metadata`
  const ask = async (over: object = {}) => {
    const { password } = region.account('crb2', 'radiologist')
    const reason = 'Пациент без сознания, нужна прежняя КТ'
    return crb2.post(`/api/studies/${first.study}/emergency`, { holder, reason, password, ...over })
  }
  assert.equal(await offered(), false)
  assert.equal((await ask()).status, 403)
  const policy = await fetch(`${crb1.url}/api/emergencies/policy`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${crb1Head.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ offered: true, password: head.password }),
  })
  assert.equal(policy.status, 204)
  assert.equal(await offered(), true)
  assert.equal((await ask({ password: 'not hers' })).status, 403)
  assert.equal((await ask({ reason: 'срочно' })).status, 400)
  assert.equal((await crb2.get(door)).status, 403)

  assert.equal((await ask()).status, 200)
  const rows = await crb2.json<Row[]>(door)
  assert.equal(rows.length, 2)
  const frame = await crb2.get(
    `/dicom-web/studies/${first.study}/series/${first.series}/instances/${first.sop}/frames/1`,
  )
  assert.equal(frame.status, 200)
  const other = `/dicom-web/studies/${studies[1]}/metadata`
  assert.equal((await crb2.get(other)).status, 403, 'one study, and no other')

  type Emergencies = { emergencies: { id: string; study: string; isOver: boolean }[] }
  const { emergencies } = await crb1Admin.json<Emergencies>('/api/emergencies')
  assert.deepEqual(
    emergencies.map(({ study, isOver }) => [study, isOver]),
    [[first.study, false]],
  )
  const of = `/api/emergencies/${emergencies[0]?.id}`
  assert.equal((await crb1Admin.post(`${of}/stop`, {})).status, 204)
  // An opening asks the holder anew.
  const isOver = async () => (await crb2.get(door)).status === 403 || undefined
  await eventually('the emergency access is over', isOver)
  const log = (await audit(crb1Admin, first.study)).map(({ event }) => event)
  assert.ok(log.includes('emergency-started') && log.includes('emergency-stopped'))
  const review = { comment: 'Подтверждено дежурным врачом', isJustified: true }
  assert.equal((await crb1Head.post(`${of}/review`, review)).status, 204)
})

test('okb, suspended, reads the one study that the operator leaves open, and no other', async () => {
  const { region } = world
  const okb = await signIn(region.node('okb').url, region.account('okb', 'radiologist'))
  const office = await signInAtOffice(region)
  const statusOf = async (study = '') =>
    (await okb.get(`/dicom-web/studies/${study}/metadata`)).status
  const comes = (study: string | undefined, status: number) =>
    eventually(`${status}`, async () => (await statusOf(study)) === status || undefined, 60_000)
  const [open, shut] = studies
  assert.deepEqual([await statusOf(open), await statusOf(shut)], [200, 200])
  const organization = region.node('okb').organization.oid
  const lift = await office.restrict('okb')
  await comes(open, 403)
  await office.must('/api/cito', {
    organization,
    holder: region.node('crb1').organization.oid,
    study: open,
    reason: 'Больной поступил с инсультом, нужна прежняя КТ',
  })
  await comes(open, 200)
  assert.equal(await statusOf(shut), 403)

  await lift()
  await comes(shut, 200)
})

test('a peer that reaches crb1 with a wrong assertion is refused and audited there', async (t) => {
  const { region, dataDir, ports } = world
  const { given } = await crb1Admin.json<{ given: { jti: string }[] }>('/api/grants')
  const grant = given[0]?.jti ?? assert.fail('crb1 has no grant')
  const crb1 = region.node('crb1')
  const oids = {
    okb: region.node('okb').organization.oid as OrganizationOid,
    crb1: crb1.organization.oid as OrganizationOid,
    crb2: region.node('crb2').organization.oid as OrganizationOid,
  }
  const accounts = async (key: string) =>
    JSON.parse(await readFile(accountsFile(dataDir, key), 'utf8')) as SeededAccount[]
  const reader = (await accounts('okb'))[0] ?? assert.fail('okb has no accounts')
  const okbAdmin = (await accounts('okb'))[1] ?? assert.fail('okb has no administrator')
  const signers = {
    okb: await createSigner(await readKeyFile(nodeKeyFile(dataDir, 'okb'))),
    crb2: await createSigner(await readKeyFile(nodeKeyFile(dataDir, 'crb2'))),
    stranger: await createSigner(createKey(random.bytes(32))),
  }
  const now = () => Math.floor(Date.now() / 1000)
  const claims = (changes: Record<string, unknown> = {}) => ({
    iss: urnOf(oids.okb),
    sub: userIdOf(oids.okb, reader),
    aud: urnOf(oids.crb1),
    jti: ulid(Date.now(), random.bytes(10)),
    iat: now(),
    exp: now() + 120,
    grant,
    op: 'view',
    res: studies[0],
    purp: 'interpretation',
    role: 'radiologist',
    pos: reader.position,
    dep: reader.department,
    amr: ['pwd'],
    auth_time: now() - 60,
    ws: 'ws-1',
    sid: '0'.repeat(32),
    ...changes,
  })
  const sign = (signer: Signer, changes?: Record<string, unknown>) =>
    signer.sign('cami-access+jwt', claims(changes))
  const wanted = () => studies[0] ?? assert.fail('no study')
  const other = () => studies[1] ?? assert.fail('no second study')
  const fixed = ulid(Date.now(), random.bytes(10))

  const attempts: Attempt[] = [
    {
      name: 'forged: signed by a key that no organization has, under its own id',
      from: 'okb',
      study: wanted,
      assertion: ({ stranger }) => sign(stranger),
      code: 'token_unknown_key',
    },
    {
      name: 'forged: the signature is not of the key it names',
      from: 'okb',
      study: wanted,
      assertion: async ({ okb, stranger }) => {
        const [good, bad] = [(await sign(okb)).split('.'), (await sign(stranger)).split('.')]
        return `${good[0]}.${good[1]}.${bad[2]}`
      },
      code: 'token_bad_signature',
    },
    {
      name: "another's: okb's assertion over crb2's connection",
      from: 'crb2',
      study: wanted,
      assertion: ({ okb }) => sign(okb),
      code: 'token_unknown_key',
    },
    {
      name: 'without a grant: crb2 in its own name under the grant of okb',
      from: 'crb2',
      study: wanted,
      assertion: ({ crb2 }) =>
        sign(crb2, { iss: urnOf(oids.crb2), sub: `${oids.crb2}#${reader.id}` }),
      code: 'grant_foreign',
    },
    {
      name: 'a user whom the grant does not name',
      from: 'okb',
      study: wanted,
      assertion: ({ okb }) => sign(okb, { sub: userIdOf(oids.okb, okbAdmin) }),
      code: 'user_not_named',
    },
    {
      name: 'replayed',
      from: 'okb',
      study: wanted,
      assertion: ({ okb }) => sign(okb, { jti: fixed }),
      code: 'token_replayed',
      isReplay: true,
    },
    {
      name: 'expired',
      from: 'okb',
      study: wanted,
      assertion: ({ okb }) => sign(okb, { iat: now() - 1000, exp: now() - 700 }),
      code: 'token_expired',
    },
    {
      name: 'for another study',
      from: 'okb',
      study: other,
      assertion: ({ okb }) => sign(okb),
      code: 'study_mismatch',
    },
    {
      name: 'for another holder',
      from: 'okb',
      study: wanted,
      assertion: ({ okb }) => sign(okb, { aud: urnOf(oids.crb2) }),
      code: 'token_wrong_audience',
    },
    {
      name: 'under a grant that does not exist',
      from: 'okb',
      study: wanted,
      assertion: ({ okb }) => sign(okb, { grant: ulid(Date.now(), random.bytes(10)) }),
      code: 'grant_absent',
    },
    {
      name: 'for an operation that was not granted',
      from: 'okb',
      study: wanted,
      assertion: ({ okb }) => sign(okb, { op: 'request_info' }),
      code: 'operation_not_granted',
    },
  ]

  // The true nodes must be away: one key, one peer.
  await region.kill('okb')
  await region.kill('crb2')
  await using hosts = new AsyncDisposableStack()
  const connections = new Map<string, Connection>()
  for (const key of ['okb', 'crb2'] as const) {
    const host = hosts.use(await rogueHost(dataDir, key))
    const address = `/ip4/127.0.0.1/tcp/${ports.nodes[1]?.peer ?? 0}/p2p/${crb1.peerId}`
    connections.set(key, await host.connect(crb1.peerId as PeerIdString, [address]))
  }
  for (const attempt of attempts) {
    await t.test(attempt.name, async () => {
      const connection = connections.get(attempt.from) ?? assert.fail('no connection')
      const study = attempt.study()
      const assertion = await attempt.assertion(signers)
      if (attempt.isReplay === true) await connection.request('manifest.get', { assertion, study })
      const seen = (await audit(crb1Admin, study)).length
      for (const refused of [
        () => connection.request('manifest.get', { assertion, study }),
        () => readFrames(connection, { assertion, study }),
      ]) {
        await assert.rejects(refused, (error: unknown) => codeOf(error) === 'forbidden')
      }
      const denials = (await audit(crb1Admin, study))
        .slice(seen)
        .filter(({ outcome }) => outcome === 'denied')
      assert.equal(denials.length, 2)
      assert.equal(denials[0]?.code, attempt.code)
    })
  }
})
