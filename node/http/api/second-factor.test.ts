import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { generateSync } from 'otplib'
import { openTestNode, password, type TestNode, type TestRole } from '../http.fixture.ts'

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
async function enrol(role: TestRole) {
  const begun = await node.post('/api/session/second-factor', { password }, node.as(role))
  const { secret } = await json<{ secret: string; uri: string }>(begun)
  const confirm = (code: string) =>
    node.post('/api/session/second-factor/confirmation', { code }, node.as(role))
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
  const { token, recoveryCodes, secret } = await enrol('mo_admin')
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
  const { secret, token: hers } = await enrol('radiologist')
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
