import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { generateSync } from 'otplib'
import { codeOf } from '#protocol/errors.ts'
import { Phone } from '#protocol/fields/phone.ts'
import { httpLimits } from '#protocol/limits.ts'
import { createSeal } from '#protocol/secrets/seal.ts'
import { openAccounts } from './accounts.ts'
import { openAudit } from './audit.ts'
import { openSessions } from './sessions.ts'
import { openLevelStore } from './store/level-store.ts'

const login = 'ivanova'
const password = 'dlinnyi parol ivanova'
const totpSecret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

/** The sessions of one operator with a second factor. */
async function createPlace() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-sessions-'))
  const store = await openLevelStore(dir)
  const time = { now: Date.UTC(2026, 10, 25, 4, 0, 0) }
  const clock = () => time.now
  const needsSecondFactor = () => true
  const deps = { store, clock, random: randomBytes, needsSecondFactor }
  const accounts = await openAccounts({ ...deps, seal: createSeal(randomBytes(32)) })
  await accounts.seed({
    login,
    password,
    totpSecret,
    name: { last: 'Иванова', first: 'Мария' },
    position: 'оператор',
    email: 'ivanova@kuzdrav.ru',
    phone: Phone.parse('8 (3842) 36-00-00'),
    roles: ['cami_operator'],
  })
  const audit = await openAudit(store, clock)
  return {
    time,
    audit,
    sessions: await openSessions({ ...deps, accounts, audit }),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await rm(dir, { recursive: true })
    },
  }
}

test('who has a password guesses codes a few times only, from however many addresses', async () => {
  await using place = await createPlace()
  const { sessions, time, audit } = place
  const right = () => generateSync({ secret: totpSecret, epoch: Math.floor(time.now / 1000) })
  const wrong = () => (right() === '000000' ? '000001' : '000000')
  const attempt = (code: string, address: string) =>
    sessions.signIn({ login, password, code, address }).then(() => 'ok', codeOf)
  for (let at = 0; at < httpLimits.codeFailuresMax; at++) {
    assert.equal(await attempt(wrong(), `10.0.0.${at}`), 'unauthenticated')
  }
  assert.equal(await attempt(right(), '10.0.1.1'), 'rate_limited')
  const records = await audit.list({ limit: 100 })
  assert.equal(records.filter(({ action }) => action === 'security-alert').length, 1)
  time.now += httpLimits.loginLockMs
  assert.equal(await attempt(right(), '10.0.1.1'), 'ok')
})
