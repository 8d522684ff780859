import { test } from 'node:test'
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { OrganizationOid } from '#protocol/ids.ts'
import { createSeal } from '#protocol/secrets/seal.ts'
import { openRecords } from '../store/records.ts'
import { createAccounts } from './accounts.ts'
import { openAuditLog } from './audit-log.ts'
import { seedAccounts } from './seed.ts'
import { openSecondFactors } from './second-factors.ts'
import { createSessions } from './sessions.ts'

const organization = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9001')
const minute = 60_000
const hour = 60 * minute
const right = { login: 'radiologist.okb', password: 'mn4x-7kqa-b2ss-pprw', address: '10.0.0.7' }
const wrong = { ...right, password: 'mn4x-7kqa-b2ss-pprq' }

async function open() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-sessions-'))
  const time = { now: 1_795_000_000_000 }
  const clock = () => time.now
  const records = await openRecords(path.join(dir, 'records'))
  const audit = await openAuditLog(path.join(dir, 'audit'), { clock })
  const deps = { records, organization, clock, random: randomBytes }
  const accounts = await createAccounts(deps)
  await accounts.create({
    login: right.login,
    password: right.password,
    roles: ['radiologist'],
    name: 'Иванова Ольга',
    position: 'врач-рентгенолог',
    department: 'КТ',
  })
  const seal = createSeal(randomBytes(32))
  const openFactors = () => openSecondFactors({ ...deps, seal })
  const factors = await openFactors()
  const sessions = await createSessions({ ...deps, accounts, factors, audit })
  return {
    dir,
    time,
    records,
    audit,
    accounts,
    factors,
    sessions,
    signIn: (attempt: Partial<typeof right & { code: string }> = {}) =>
      sessions.signIn({ workstation: '', ...right, ...attempt }),
    restart: async () =>
      createSessions({
        ...deps,
        accounts: await createAccounts(deps),
        factors: await openFactors(),
        audit,
      }),
    async [Symbol.asyncDispose]() {
      await records[Symbol.asyncDispose]()
      await audit[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

test('a session lives over a restart and knows whose it is', async () => {
  await using place = await open()
  const { secret, user } = await place.signIn()
  assert.match(secret, /^[A-Za-z0-9_-]{43}$/)
  assert.deepEqual(
    { ...user, uid: undefined, session: undefined },
    {
      uid: undefined,
      session: undefined,
      organization,
      roles: ['radiologist'],
      enabled: true,
      authTime: place.time.now,
      amr: ['pwd'],
      login: right.login,
      name: 'Иванова Ольга',
      position: 'врач-рентгенолог',
      department: 'КТ',
      workstation: '',
      address: right.address,
      expiresAt: place.time.now + 12 * hour,
    },
  )
  assert.deepEqual(await place.sessions.resume(secret), user)
  assert.deepEqual(await (await place.restart()).resume(secret), user)
  assert.equal(await place.sessions.resume(user.session), undefined, 'the digest opens nothing')
})

test('neither secret nor password is on the disk', async () => {
  await using place = await open()
  const { secret } = await place.signIn()
  for (const folder of ['records', 'audit']) {
    for (const name of await readdir(path.join(place.dir, folder))) {
      const bytes = await readFile(path.join(place.dir, folder, name))
      assert.equal(bytes.includes(secret), false, name)
      assert.equal(bytes.includes(right.password), false, name)
    }
  }
})

test('each sign-in makes a new secret, and signing out ends one of them', async () => {
  await using place = await open()
  const [one, two] = [await place.signIn(), await place.signIn()]
  assert.notEqual(one.secret, two.secret)
  await place.sessions.signOut(one.secret)
  assert.equal(await place.sessions.resume(one.secret), undefined)
  assert.equal(await (await place.restart()).resume(one.secret), undefined)
  assert.ok(await place.sessions.resume(two.secret))
})

test('a session ends after fifteen idle minutes, and after twelve hours in any case', async () => {
  await using place = await open()
  const idle = await place.signIn()
  place.time.now += 15 * minute - 1
  assert.ok(await place.sessions.resume(idle.secret))
  place.time.now += 15 * minute
  assert.equal(await place.sessions.resume(idle.secret), undefined)

  const busy = await place.signIn()
  const start = place.time.now
  for (; place.time.now < start + 12 * hour; place.time.now += 10 * minute) {
    assert.ok(await place.sessions.resume(busy.secret), `${place.time.now - start}`)
  }
  assert.equal(await place.sessions.resume(busy.secret), undefined)
})

test('what a page asks by itself does not keep a session alive', async () => {
  await using place = await open()
  const { secret } = await place.signIn()
  for (let n = 0; n < 14; n++) {
    place.time.now += minute
    assert.ok(await place.sessions.resume(secret, { touch: false }))
  }
  place.time.now += minute
  assert.equal(await place.sessions.resume(secret, { touch: false }), undefined)
})

test('use is written down, so that a restart does not end a session that is being used', async () => {
  await using place = await open()
  const { secret } = await place.signIn()
  for (let n = 0; n < 20; n++) {
    place.time.now += minute
    await place.sessions.resume(secret)
  }
  assert.ok(await (await place.restart()).resume(secret))
})

test('disabling an account, or a new password, ends its sessions', async () => {
  await using place = await open()
  const { secret } = await place.signIn()
  const [account] = place.accounts.list()
  assert.ok(account)
  await place.accounts.disable(account.id)
  assert.equal(await place.sessions.resume(secret), undefined)
  assert.equal(place.sessions.endOf(secret), 'user_disabled', 'and she may know why')
  await assert.rejects(place.signIn(), { code: 'user_disabled' })
  await assert.rejects(place.signIn(wrong), { code: 'unauthenticated' })
  await place.accounts.enable(account.id)
  assert.equal(await place.sessions.resume(secret), undefined, 'it does not come back')
  const other = await place.signIn()
  place.time.now += 1
  await place.accounts.setPassword(account.id, 'another long password')
  assert.equal(await place.sessions.resume(other.secret), undefined)
})

test('five failures lock a login for that source for fifteen minutes, the right password included', async () => {
  await using place = await open()
  for (let n = 0; n < 5; n++) await assert.rejects(place.signIn(wrong), { code: 'unauthenticated' })
  await assert.rejects(place.signIn(wrong), { code: 'rate_limited' })
  await assert.rejects(place.signIn(), { code: 'rate_limited' })
  await assert.rejects(place.signIn({ login: ' Radiologist.OKB' }), { code: 'rate_limited' })
  assert.ok(await place.signIn({ address: '10.0.0.8' }), 'from another place she can')
  place.time.now += 15 * minute
  assert.ok(await place.signIn())
})

test('many guesses at once do not get past the lock', async () => {
  await using place = await open()
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => place.signIn(wrong)))
  const codes = results.map((result) =>
    result.status === 'rejected' ? (result.reason as { code: string }).code : 'in',
  )
  assert.equal(codes.filter((code) => code === 'unauthenticated').length, 5)
  assert.equal(codes.filter((code) => code === 'rate_limited').length, 15)
})

test('a login that does not exist locks as one that does', async () => {
  await using place = await open()
  const codes = async (login: string) => {
    const found: string[] = []
    for (let n = 0; n < 7; n++) {
      await place
        .signIn({ ...wrong, login })
        .catch((error: { code: string }) => found.push(error.code))
    }
    return found
  }
  assert.deepEqual(await codes('nobody.okb'), await codes(right.login))
})

test('a source that fails at many logins is closed, and the tenth failure is a security alert', async () => {
  await using place = await open()
  for (let n = 0; n < 50; n++) {
    await place.signIn({ ...wrong, login: `guess${n}` }).catch(() => undefined)
  }
  await assert.rejects(place.signIn(), { code: 'rate_limited' })
  assert.equal((await place.audit.list({ filter: { event: 'security-alert' } })).length, 1)
  place.time.now += 60 * minute
  assert.ok(await place.signIn())
})

test('a right password takes the failures back', async () => {
  await using place = await open()
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 4; n++)
      await assert.rejects(place.signIn(wrong), { code: 'unauthenticated' })
    await place.signIn()
  }
})

test('confirming the password counts guesses as the sign-in does', async () => {
  await using place = await open()
  const { user } = await place.signIn()
  assert.equal((await place.sessions.confirm(user, right.password)).login, right.login)
  for (let n = 0; n < 5; n++) {
    await assert.rejects(place.sessions.confirm(user, wrong.password), { code: 'forbidden' })
  }
  await assert.rejects(place.sessions.confirm(user, right.password), { code: 'rate_limited' })
  await assert.rejects(place.signIn(), { code: 'rate_limited' })
})

test('every attempt is audited, without the password', async () => {
  await using place = await open()
  const { secret, user } = await place.signIn()
  await assert.rejects(place.signIn(wrong))
  await place.sessions.signOut(secret)
  const events = await place.audit.list({})
  assert.deepEqual(
    events.map(({ event, outcome, user, code }) => ({ event, outcome, user, code })),
    [
      { event: 'login', outcome: 'success', user: user.uid, code: undefined },
      { event: 'login', outcome: 'denied', user: right.login, code: 'unauthenticated' },
      { event: 'logout', outcome: 'success', user: user.uid, code: undefined },
    ],
  )
})

test('one person has a bounded number of sessions: the longest unused ends', async () => {
  await using place = await open()
  const secrets: string[] = []
  for (let n = 0; n < 21; n++) {
    place.time.now += 1
    secrets.push((await place.signIn()).secret)
  }
  assert.equal(place.sessions.count(), 20)
  assert.equal(await place.sessions.resume(secrets[0] ?? ''), undefined)
  assert.ok(await place.sessions.resume(secrets[1] ?? ''))
})

test('the accounts file is read once, on a node that knows nobody, and only when it is private', async () => {
  await using place = await open()
  const records = await openRecords(path.join(place.dir, 'other'))
  await using _ = records
  const accounts = await createAccounts({
    records,
    organization,
    clock: () => place.time.now,
    random: randomBytes,
  })
  const file = path.join(place.dir, 'accounts.json')
  const seed = {
    id: '01J0000000000000000000000A',
    login: 'admin.okb',
    password: 'mn4x-7kqa-b2ss-pprw',
    name: 'Петров',
    roles: ['mo_admin'],
    position: '',
    department: '',
  }
  const code = 'configuration_invalid'
  await assert.rejects(seedAccounts(file, accounts), { code, message: /cannot read/ })
  await writeFile(file, JSON.stringify([seed]), { mode: 0o644 })
  await assert.rejects(seedAccounts(file, accounts), { code, message: /chmod 600/ })
  await chmod(file, 0o600)
  await writeFile(file, JSON.stringify([{ ...seed, rolls: [] }]))
  await assert.rejects(seedAccounts(file, accounts), { code, message: /rolls/ })
  await writeFile(file, JSON.stringify([{ ...seed, password: 'short' }]))
  await assert.rejects(seedAccounts(file, accounts), { code, message: /"admin.okb": the password/ })
  await writeFile(file, JSON.stringify([seed]))
  assert.equal(await seedAccounts(file, accounts), 1)
  assert.equal(accounts.find('admin.okb')?.id, seed.id)
  await rm(file)
  assert.equal(await seedAccounts(file, accounts), 0)
})

test('a password that was set by a clock ahead of the time is one to sign in with when the clock is mended', async () => {
  await using place = await open()
  const account = place.accounts.find(right.login)
  assert.ok(account)
  const today = place.time.now
  place.time.now += 400 * 24 * hour
  await place.accounts.setPassword(account.id, wrong.password)
  place.time.now = today
  const { secret } = await place.signIn(wrong)
  assert.equal((await place.sessions.resume(secret))?.login, right.login)
  assert.equal((await (await place.restart()).resume(secret))?.login, right.login)
  await place.accounts.setPassword(account.id, right.password)
  assert.equal(await place.sessions.resume(secret), undefined, 'the next password ends it')
})

test('a session that was begun by a clock ahead of the time is over when the clock is mended', async () => {
  await using place = await open()
  place.time.now += 400 * 24 * hour
  const { secret } = await place.signIn()
  place.time.now -= 400 * 24 * hour
  assert.equal(await place.sessions.resume(secret), undefined)
})

test('a login that was locked by a clock ahead of the time is open when the clock is mended', async () => {
  await using place = await open()
  place.time.now += 400 * 24 * hour
  for (let n = 0; n < 5; n++) await assert.rejects(place.signIn(wrong), { code: 'unauthenticated' })
  await assert.rejects(place.signIn(), { code: 'rate_limited' })
  place.time.now -= 400 * 24 * hour
  assert.equal((await place.signIn()).user.login, right.login)
})
