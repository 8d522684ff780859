import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import { OrganizationOid } from '#protocol/ids.ts'
import { openRecords, type Records } from '../store/records.ts'
import { createAccounts, type NewAccount } from './accounts.ts'

const organization = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9001')

async function open() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-accounts-'))
  const records = await openRecords(dir)
  const deps = { records, organization, clock: () => 1_795_000_000_000, random: randomBytes }
  return {
    records,
    accounts: await createAccounts(deps),
    /** Over records that write in another way. */
    over: (put: Records['put']) => createAccounts({ ...deps, records: { ...records, put } }),
    again: () => createAccounts(deps),
    async [Symbol.asyncDispose]() {
      await records[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const person: NewAccount = {
  login: 'Ivanova.OKB',
  password: 'восемь синих чашек',
  name: 'Иванова Ольга Петровна',
  position: 'врач-рентгенолог',
  department: 'КТ',
  roles: ['radiologist'],
}

test('an account is found by its login in any case, after a restart too, and verifies its password only', async () => {
  await using place = await open()
  const made = await place.accounts.create(person)
  assert.equal(made.login, 'ivanova.okb')
  assert.match(made.passwordHash, /^\$argon2id\$v=19\$m=65536,t=3,p=1\$/)
  const accounts = await place.again()
  assert.deepEqual(accounts.find('IVANOVA.okb'), made)
  assert.deepEqual(accounts.get(made.id), made)
  assert.equal(accounts.userId(made), `${organization}#${made.id}`)
  assert.deepEqual(await accounts.verify('ivanova.OKB', person.password), made)
  // The same letters, decomposed as another keyboard may send them.
  assert.deepEqual(await accounts.verify('ivanova.okb', person.password.normalize('NFD')), made)
  assert.equal(await accounts.verify('ivanova.okb', `${person.password}.`), undefined)
  assert.equal(await accounts.verify('petrova.okb', person.password), undefined)
})

test('an unknown login takes as long as a known one', async () => {
  await using place = await open()
  await place.accounts.create(person)
  const time = async (login: string) => {
    const times: number[] = []
    for (let n = 0; n < 7; n++) {
      const started = performance.now()
      await place.accounts.verify(login, 'what somebody guesses')
      times.push(performance.now() - started)
    }
    return times.sort((a, b) => a - b)[3] ?? 0
  }
  const [known, unknown] = [await time('ivanova.okb'), await time('nobody.okb')]
  assert.ok(unknown > known / 3 && unknown < known * 3, `${known} ms and ${unknown} ms`)
})

test('two accounts cannot have one login, also when made at once', async () => {
  await using place = await open()
  const results = await Promise.allSettled([
    place.accounts.create(person),
    place.accounts.create({ ...person, login: 'ivanova.okb', name: 'Другая' }),
  ])
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  await assert.rejects(place.accounts.create(person), { code: 'conflict' })
  assert.equal(place.accounts.list().length, 1)
})

test('weak passwords, strange logins, and duties that exclude each other are refused', async () => {
  await using place = await open()
  const wrong: Partial<NewAccount>[] = [
    { password: 'четырнадцать14' },
    { password: 'x'.repeat(129) },
    { password: 'abababababababab' },
    { password: 'a1 ivanova.okb b2' },
    { login: 'a' },
    { login: 'два слова' },
    { login: '../etc/passwd' },
    { roles: ['mo_admin', 'security_auditor'] },
    { roles: ['cami_operator', 'radiologist'] },
  ]
  for (const change of wrong) {
    await assert.rejects(
      place.accounts.create({ ...person, ...change }),
      { code: 'bad_request' },
      JSON.stringify(change),
    )
  }
  assert.equal(place.accounts.list().length, 0)
})

test('a disabled account verifies no password, and listeners are told', async () => {
  await using place = await open()
  const { id } = await place.accounts.create(person)
  const told: boolean[] = []
  const stop = place.accounts.onChange(({ enabled }) => told.push(enabled))
  await place.accounts.disable(id)
  assert.equal(await place.accounts.verify(person.login, person.password), undefined)
  await place.accounts.enable(id)
  assert.equal((await place.accounts.verify(person.login, person.password))?.id, id)
  stop()
  await place.accounts.setPassword(id, 'девять зелёных чашек')
  assert.deepEqual(told, [false, true])
  assert.equal(await place.accounts.verify(person.login, person.password), undefined)
  assert.equal((await place.accounts.verify(person.login, 'девять зелёных чашек'))?.id, id)
  await assert.rejects(place.accounts.disable('01J00000000000000000000000'), { code: 'not_found' })
})

test('a flood of sign-ins is answered unavailable instead of taking the memory', async () => {
  await using place = await open()
  const attempts = Array.from({ length: 60 }, () => place.accounts.verify('nobody', 'password'))
  const results = await Promise.allSettled(attempts)
  const refused = results.filter(({ status }) => status === 'rejected')
  assert.equal(refused.length, 8)
  for (const result of refused) {
    assert.ok(result.status === 'rejected')
    assert.equal((result.reason as { code?: string }).code, 'unavailable')
  }
})

test('an account that is switched off while it gets a new password is off, and has it', async () => {
  await using place = await open()
  const { id } = await place.accounts.create(person)
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const accounts = await place.over(async (...record) => {
    reached.resolve()
    await released.promise
    await place.records.put(...record)
  })
  const changing = accounts.setPassword(id, 'девять зелёных чашек')
  await reached.promise
  const disabling = accounts.disable(id)
  released.resolve()
  await Promise.all([changing, disabling])
  for (const one of [accounts, await place.again()]) {
    assert.equal(one.get(id)?.enabled, false)
    const withOff = { withOff: true }
    assert.equal((await one.verify(person.login, 'девять зелёных чашек', withOff))?.id, id)
  }
})

test('an account that could not be written down is none, and can be made when the disk is well', async () => {
  await using place = await open()
  let isFull = true
  const accounts = await place.over(async (...record) => {
    if (isFull) throw new Error('no space')
    await place.records.put(...record)
  })
  await assert.rejects(accounts.create(person), /no space/)
  assert.equal(accounts.find(person.login), undefined)
  isFull = false
  const { id } = await accounts.create(person)
  assert.equal((await place.again()).find(person.login)?.id, id)
})
