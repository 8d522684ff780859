import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { codeOf } from '#protocol/errors.ts'
import { Phone } from '#protocol/fields/phone.ts'
import { createSeal } from '#protocol/secrets/seal.ts'
import { openAccounts } from './accounts.ts'
import { openLevelStore } from './store/level-store.ts'

test('of two links that are made at once one works', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-accounts-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(dir, { recursive: true }))
  const accounts = await openAccounts({
    store: stack.use(await openLevelStore(dir)),
    seal: createSeal(randomBytes(32)),
    clock: Date.now,
    random: randomBytes,
    needsSecondFactor: () => true,
  })
  const { id } = await accounts.create({
    name: { last: 'Иванова', first: 'Мария' },
    position: 'оператор',
    email: 'ivanova@kuzdrav.ru',
    phone: Phone.parse('8 (3842) 36-00-00'),
    roles: ['cami_operator'],
  })
  const links = await Promise.all([accounts.invite(id), accounts.invite(id)])
  const outcomes: string[] = []
  for (const { secret } of links) {
    const activated = accounts.activate(secret, 'длинный пароль оператора')
    outcomes.push(await activated.then(() => 'ok', codeOf))
  }
  assert.deepEqual(outcomes.toSorted(), ['forbidden', 'ok'])
})
