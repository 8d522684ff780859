import { test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { generateSync } from 'otplib'
import { OrganizationOid } from '#protocol/ids.ts'
import { createSeal } from '#protocol/secrets/seal.ts'
import { openRecords } from '../store/records.ts'
import { createAccounts, type Account } from './accounts.ts'
import { openAuditLog } from './audit-log.ts'
import { openSecondFactors, type SecondFactors } from './second-factors.ts'
import { createSessions } from './sessions.ts'

const organization = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9001')
const minute = 60_000
const right = { login: 'radiologist.okb', password: 'mn4x-7kqa-b2ss-pprw', address: '10.0.0.7' }

async function open() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-factors-'))
  const time = { now: 1_795_000_000_000 }
  const clock = () => time.now
  const records = await openRecords(path.join(dir, 'records'))
  const audit = await openAuditLog(path.join(dir, 'audit'), { clock })
  const deps = { records, organization, clock, random: randomBytes }
  const accounts = await createAccounts(deps)
  const account = await accounts.create({
    login: right.login,
    password: right.password,
    name: 'Иванова Ольга',
    position: '',
    department: '',
    roles: ['radiologist'],
  })
  const key = randomBytes(32)
  const start = async (
    seal = createSeal(key),
    between: (factors: SecondFactors) => SecondFactors = (factors) => factors,
  ) => {
    const factors = between(await openSecondFactors({ ...deps, seal }))
    return { factors, sessions: await createSessions({ ...deps, accounts, factors, audit }) }
  }
  const { factors, sessions } = await start()
  const codeOf = (secret: string) => generateSync({ secret, epoch: Math.floor(time.now / 1000) })
  return {
    dir,
    time,
    audit,
    accounts,
    account,
    factors,
    sessions,
    start,
    codeOf,
    signIn: (more: { code?: string; address?: string; password?: string } = {}, to = sessions) =>
      to.signIn({ workstation: '', ...right, ...more }),
    async [Symbol.asyncDispose]() {
      await records[Symbol.asyncDispose]()
      await audit[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Sets a factor up and waits until its first code is over. */
async function enrol(place: Awaited<ReturnType<typeof open>>) {
  const { secret } = place.factors.begin(place.account)
  const codes = await place.factors.confirm(place.account.id, place.codeOf(secret))
  place.time.now += minute
  return { secret, codes }
}

test('a seed counts for nothing until its first code is there, and then each sign-in asks', async () => {
  await using place = await open()
  const { factors, account } = place
  const { secret, uri } = factors.begin(account)
  assert.match(uri, /^otpauth:\/\/totp\/.*secret=[A-Z2-7]+/)
  assert.deepEqual((await place.signIn()).user.amr, ['pwd'])
  await assert.rejects(factors.confirm(account.id, '000000'), { code: 'forbidden' })
  const codes = await factors.confirm(account.id, place.codeOf(secret))
  assert.equal(new Set(codes).size, 10)
  for (const code of codes) assert.match(code, /^([a-z2-9]{4}-){3}[a-z2-9]{4}$/)
  await assert.rejects(place.signIn(), { code: 'second_factor_required' })
  await assert.rejects(place.signIn({ code: place.codeOf(secret) }), { code: 'unauthenticated' })
  place.time.now += minute
  const { user } = await place.signIn({ code: place.codeOf(secret) })
  assert.deepEqual(user.amr, ['pwd', 'otp'])
})

test('a new seed waits ten minutes for its first code and no longer', async () => {
  await using place = await open()
  const { secret } = place.factors.begin(place.account)
  place.time.now += 10 * minute
  const late = place.factors.confirm(place.account.id, place.codeOf(secret))
  await assert.rejects(late, { code: 'conflict' })
  assert.equal(place.factors.has(place.account.id), false)
})

test('a code works once, also after a restart and for two at once', async () => {
  await using place = await open()
  const { secret } = await enrol(place)
  const code = place.codeOf(secret)
  const both = await Promise.allSettled([place.signIn({ code }), place.signIn({ code })])
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  const { sessions } = await place.start()
  await assert.rejects(place.signIn({ code }, sessions), { code: 'unauthenticated' })
  place.time.now += minute
  assert.ok(await place.signIn({ code: place.codeOf(secret) }, sessions))
})

test('a code of a minute ago and one of the next minute are wrong', async () => {
  await using place = await open()
  const { secret } = await enrol(place)
  const old = place.codeOf(secret)
  place.time.now += minute
  await assert.rejects(place.signIn({ code: old }), { code: 'unauthenticated' })
})

test('each recovery code works once, however it is typed, also after a restart', async () => {
  await using place = await open()
  const { codes } = await enrol(place)
  const [first = '', second = ''] = codes
  const { user } = await place.signIn({ code: first.toUpperCase().replaceAll('-', ' ') })
  assert.deepEqual(user.amr, ['pwd', 'otp'])
  assert.equal(place.factors.stateOf(place.account.id)?.recoveryCodes, 9)
  const { sessions, factors } = await place.start()
  await assert.rejects(place.signIn({ code: first }, sessions), { code: 'unauthenticated' })
  assert.ok(await place.signIn({ code: second }, sessions))
  assert.equal(factors.stateOf(place.account.id)?.recoveryCodes, 8)
})

test('five wrong codes close the second step for fifteen minutes, from wherever they come', async () => {
  await using place = await open()
  const { secret } = await enrol(place)
  for (let n = 0; n < 5; n++) {
    const guess = place.signIn({ code: '000000', address: `10.0.1.${n}` })
    await assert.rejects(guess, { code: 'unauthenticated' })
  }
  // Whoever has the password cannot clear the count by giving it again.
  await assert.rejects(place.signIn(), { code: 'second_factor_required' })
  const code = () => place.codeOf(secret)
  await assert.rejects(place.signIn({ code: code() }), { code: 'rate_limited' })
  const alerts = await place.audit.list({ filter: { event: 'security-alert' } })
  assert.equal(alerts.length, 1)
  place.time.now += 15 * minute
  assert.ok(await place.signIn({ code: code() }))
})

test('without the right password nobody learns whether there is a second factor', async () => {
  await using place = await open()
  await enrol(place)
  const wrong = { password: 'mn4x-7kqa-b2ss-pprq' }
  await assert.rejects(place.signIn(wrong), { code: 'unauthenticated' })
  await assert.rejects(place.signIn({ ...wrong, code: '123456' }), { code: 'unauthenticated' })
})

test('replacing wants the password and a code, and the old factor works until then', async () => {
  await using place = await open()
  const { secret } = await enrol(place)
  const { user } = await place.signIn({ code: place.codeOf(secret) })
  const { password } = right
  await assert.rejects(place.sessions.prove(user, { password }), { code: 'second_factor_required' })
  const guess = place.sessions.prove(user, { password, code: '000000' })
  await assert.rejects(guess, { code: 'forbidden' })
  place.time.now += minute
  const proven: Account = await place.sessions.prove(user, { password, code: place.codeOf(secret) })
  const next = place.factors.begin(proven)
  place.time.now += minute
  assert.ok(await place.signIn({ code: place.codeOf(secret) }))
  await place.factors.confirm(proven.id, place.codeOf(next.secret))
  place.time.now += minute
  await assert.rejects(place.signIn({ code: place.codeOf(secret) }), { code: 'unauthenticated' })
  assert.ok(await place.signIn({ code: place.codeOf(next.secret) }))
})

test('with the first code the other sessions end, and this one goes on with two factors under a new secret', async () => {
  await using place = await open()
  const [other, mine] = [await place.signIn(), await place.signIn()]
  await enrol(place)
  const renewed = await place.sessions.renew(mine.user)
  for (const { secret } of [other, mine]) {
    assert.equal(await place.sessions.resume(secret), undefined)
  }
  const user = await place.sessions.resume(renewed.secret)
  assert.deepEqual(user?.amr, ['pwd', 'otp'])
  assert.equal(user?.authTime, mine.user.authTime)
  assert.equal(user?.expiresAt, mine.user.expiresAt)
})

test('a session that began with a factor ends with it, also when the node stopped in between', async () => {
  await using place = await open()
  const { secret } = await enrol(place)
  const signed = await place.signIn({ code: place.codeOf(secret) })
  await place.factors.reset(place.account.id)
  const { sessions } = await place.start()
  for (const one of [place.sessions, sessions]) {
    assert.equal(await one.resume(signed.secret), undefined)
  }
})

test('an old password that was right before the code was looked at opens no session once there is a new one', async () => {
  await using place = await open()
  const { secret } = await enrol(place)
  const { sessions } = await place.start(undefined, (factors) => ({
    ...factors,
    async use(account, code) {
      place.time.now += 1
      await place.accounts.setPassword(account, 'another password 17')
      return await factors.use(account, code)
    },
  }))
  const signed = await place.signIn({ code: place.codeOf(secret) }, sessions)
  assert.equal(await sessions.resume(signed.secret), undefined)
})

test('five wrong codes give a new seed up: a screen that was left open while it waited guesses nothing', async () => {
  await using place = await open()
  const { secret } = place.factors.begin(place.account)
  const confirm = (code: string) => place.factors.confirm(place.account.id, code)
  for (let n = 0; n < 5; n++) await assert.rejects(confirm('000000'), { code: 'forbidden' })
  await assert.rejects(confirm(place.codeOf(secret)), { code: 'conflict' })
  assert.equal(place.factors.has(place.account.id), false)
})

test('after a reset the password is enough again, and the old codes are worth nothing', async () => {
  await using place = await open()
  const { codes } = await enrol(place)
  assert.equal(await place.factors.reset(place.account.id), true)
  assert.equal(await place.factors.reset(place.account.id), false)
  assert.deepEqual((await place.signIn()).user.amr, ['pwd'])
  const { factors } = await place.start()
  assert.equal(factors.has(place.account.id), false)
  assert.equal(await factors.use(place.account.id, codes[0] ?? ''), undefined)
})

test('with another data key she is asked for a code all the same, and none fits until a reset', async () => {
  await using place = await open()
  const { secret, codes } = await enrol(place)
  const { factors, sessions } = await place.start(createSeal(randomBytes(32)))
  assert.equal(factors.unreadable(), 1)
  await assert.rejects(place.signIn({}, sessions), { code: 'second_factor_required' })
  for (const code of [place.codeOf(secret), codes[0] ?? '']) {
    await assert.rejects(place.signIn({ code }, sessions), { code: 'unauthenticated' })
  }
  await factors.reset(place.account.id)
  assert.ok(await place.signIn({}, sessions))
})

test('neither the seed nor a code is on the disk, and the audit says which step was wrong', async () => {
  await using place = await open()
  const { secret, codes } = await enrol(place)
  await place.signIn({ code: codes[0] ?? '' })
  await assert.rejects(place.signIn({ code: '000000' }), { code: 'unauthenticated' })
  await assert.rejects(place.signIn(), { code: 'second_factor_required' })
  for (const folder of ['records', 'audit']) {
    for (const name of await readdir(path.join(place.dir, folder))) {
      const bytes = await readFile(path.join(place.dir, folder, name))
      for (const text of [secret, ...codes, ...codes.map((one) => one.replaceAll('-', ''))]) {
        assert.equal(bytes.includes(text), false, name)
      }
    }
  }
  const events = await place.audit.list({ filter: { event: 'login' } })
  assert.deepEqual(
    events.map(({ outcome, code, detail }) => [outcome, code, detail]),
    [
      ['success', undefined, 'with a recovery code'],
      ['denied', 'unauthenticated', 'a wrong code'],
      ['denied', 'second_factor_required', 'the code is missing'],
    ],
  )
})
