import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { generateSync } from 'otplib'
import { holder, openTestNode, password, remoteStudy, type TestNode } from '../http.fixture.ts'

const policy = { secondFactor: 'required', staleAfterHours: 24, transparency: 'off' } as const
let node: TestNode
let adminSecret = ''
before(async () => {
  node = await openTestNode({}, {}, { policy, demo: false })
})
after(() => node[Symbol.asyncDispose]())

type Session = { secondFactor: { state: string; isNeeded: boolean; recoveryCodes: number } }
type Users = { users: { account: string; login: string; hasSecondFactor: boolean }[] }
const json = async <T>(answer: Response): Promise<T> => (await answer.json()) as T
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const codeOf = (secret: string) => generateSync({ secret, epoch: Math.floor(node.time.now / 1000) })
const needed = '{"error":{"code":"second_factor_required"}}'

/** The administrator signs in again; each code is good for one sign-in. */
async function admin() {
  node.time.now += 60_000
  const person = { login: 'mo_admin.okb', password, code: codeOf(adminSecret) }
  const answer = await node.post('/api/session', person)
  return bearer((await json<{ token: string }>(answer)).token)
}

/** Sets up a second factor as a person does; the old token of hers is over then. */
async function enrol(headers: Record<string, string>) {
  const begun = await node.post('/api/session/second-factor', { password }, headers)
  const { secret } = await json<{ secret: string; uri: string }>(begun)
  const confirm = (code: string) =>
    node.post('/api/session/second-factor/confirmation', { code }, headers)
  assert.equal((await confirm('000000')).status, 403)
  const done = await confirm(codeOf(secret))
  assert.equal(done.status, 200)
  node.time.now += 60_000
  return { secret, ...(await json<{ recoveryCodes: string[]; token: string }>(done)) }
}

test('where the policy requires it, an administrator is told what she lacks, and sets it up herself', async () => {
  const before = await json<Session>(await node.get('/api/session', node.as('mo_admin')))
  assert.deepEqual(before.secondFactor, { state: 'absent', isNeeded: true, recoveryCodes: 0 })
  for (const path of ['/api/accounts/users', '/api/quarantine', '/api/grants', '/api/audit']) {
    const answer = await node.get(path, node.as('mo_admin'))
    assert.deepEqual([answer.status, await answer.text()], [403, needed], path)
  }
  const { token, recoveryCodes, secret } = await enrol(node.as('mo_admin'))
  adminSecret = secret
  assert.equal(recoveryCodes.length, 10)
  assert.equal((await node.get('/api/session', node.as('mo_admin'))).status, 401)
  const after = await json<Session>(await node.get('/api/session', bearer(token)))
  assert.deepEqual(after.secondFactor, { state: 'set', isNeeded: false, recoveryCodes: 10 })
  assert.equal((await node.get('/api/accounts/users', bearer(token))).status, 200)
})

test('who neither administers nor reads what others granted is asked for nothing', async () => {
  const { secondFactor } = await json<Session>(
    await node.get('/api/session', node.as('radiographer')),
  )
  assert.equal(secondFactor.isNeeded, false)
  assert.equal((await node.get('/api/referrals', node.as('radiographer'))).status, 200)
  assert.equal((await node.get('/api/audit', node.as('security_auditor'))).status, 200)
})

test('a wrong password begins nothing', async () => {
  const wrong = { password: 'a password of some length' }
  const answer = await node.post('/api/session/second-factor', wrong, node.as('radiographer'))
  assert.equal(answer.status, 403)
  const code = { code: '000000' }
  const path = '/api/session/second-factor/confirmation'
  assert.equal((await node.post(path, code, node.as('radiographer'))).status, 409)
})

test('a reset is for others, on a document, ends their sessions, and is audited', async () => {
  const { secret, token: hers } = await enrol(node.as('radiologist'))
  const { users: before } = await json<Users>(await node.get('/api/accounts/users', await admin()))
  const row = before.find((one) => one.login === 'radiologist.okb')
  const self = before.find((one) => one.login === 'mo_admin.okb')
  assert.equal(row?.hasSecondFactor, true)
  const reset = async (account = '', basis = 'служебная записка № 7') =>
    node.post(`/api/accounts/${account}/second-factor/reset`, { basis }, await admin())
  assert.equal((await reset(self?.account)).status, 409, 'nobody resets her own')
  assert.equal((await reset(row?.account, '')).status, 400, 'not without a document')
  assert.equal((await reset(row?.account)).status, 204)
  assert.equal((await reset(row?.account)).status, 409, 'there is none any more')
  assert.equal((await node.get('/api/session', bearer(hers))).status, 401)
  const again = await node.post('/api/session', { login: 'radiologist.okb', password })
  assert.equal(again.status, 200)
  const events = await node.audit.list({ filter: { event: 'configuration' } })
  const said = events.map(({ detail }) => detail)
  assert.ok(said.includes('second factor set up'))
  assert.ok(said.includes(`second factor of account ${row?.account} reset: служебная записка № 7`))
  assert.ok(!JSON.stringify(events).includes(secret))
})

test('an emergency asks for the factor anew: what is told to the holder is as new as all that it rests on', async () => {
  const login = 'second.okb'
  const person = { login, password, name: login, position: '', department: '' }
  await node.accounts.create({ ...person, roles: ['radiologist'] })
  const signed = await node.post('/api/session', { login, password })
  const first = bearer((await json<{ token: string }>(signed)).token)
  const { secret, token } = await enrol(first)
  const reason = 'Пациент без сознания, нужна прежняя КТ'
  const open = (more: { code?: string }) =>
    node.post(
      `/api/studies/${remoteStudy}/emergency`,
      { holder, reason, password, ...more },
      bearer(token),
    )
  const bare = await open({})
  assert.deepEqual([bare.status, await bare.text()], [403, needed])
  assert.equal((await open({ code: '000000' })).status, 403)
  const code = codeOf(secret)
  assert.equal((await open({ code })).status, 200)
  assert.equal((await open({ code })).status, 403, 'each code is good for once')
})
