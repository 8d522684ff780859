import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ulid, type OrganizationOid, type UserId } from '#protocol/ids.ts'
import { createWorker } from './people.ts'
import { createRandom } from './random.ts'
import type { Account } from './region-file.ts'

/** Accounts of a hospital in the simulated region: a radiologist who reads and an administrator who does not. */

/** A line of a node's accounts file (`accountsFile` of its configuration). */
export type SeededAccount = {
  id: string
  login: string
  password: string
  name: string
  roles: string[]
  position: string
  department: string
}

export const accountsFile = (dataDir: string, key: string) =>
  path.join(dataDir, key, 'accounts.json')

const staff = [
  {
    role: 'radiologist',
    position: 'врач-рентгенолог',
    department: 'Отделение лучевой диагностики',
  },
  { role: 'mo_admin', position: 'администратор ЦАМИ', department: 'Отдел информатизации' },
] as const

/** Any moment will do for identifiers that the seed decides. */
const epochOfIds = Date.UTC(2026, 0, 1)

/** The accounts of one hospital, made once and written where its node reads them at its first start. */
export async function seedAccounts(options: {
  seed: number
  key: string
  dataDir: string
}): Promise<SeededAccount[]> {
  const { seed, key, dataDir } = options
  const file = accountsFile(dataDir, key)
  if (existsSync(file)) return JSON.parse(await readFile(file, 'utf8')) as SeededAccount[]
  const random = createRandom(seed)
  const accounts = staff.map(({ role, position, department }) => ({
    id: ulid(epochOfIds, random.bytes(10)),
    login: `${role === 'mo_admin' ? 'admin' : role}.${key}`,
    password: password(random.bytes(20)),
    name: createWorker(random, random.pick(['M', 'F'])),
    roles: [role],
    position,
    department,
  }))
  await writeFile(file, `${JSON.stringify(accounts, null, 2)}\n`, { mode: 0o600 })
  return accounts
}

export const loginsOf = (accounts: readonly SeededAccount[]): Account[] =>
  accounts.map(({ roles, login, password }) => ({ role: roles[0] ?? '', login, password }))

export const userIdOf = (oid: OrganizationOid, { id }: SeededAccount): UserId =>
  `${oid}#${id}` as UserId

/** Four groups of letters that nobody confuses when reading them from paper. */
export function password(bytes: Uint8Array): string {
  const letters = 'abcdefghkmnpqrstuvwxyz23456789'
  const text = Array.from(bytes.subarray(0, 16), (byte) => letters[byte % letters.length]).join('')
  return text.replaceAll(/(.{4})(?=.)/g, '$1-')
}
