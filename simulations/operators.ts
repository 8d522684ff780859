import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { password } from './accounts.ts'
import { createWorker } from './people.ts'
import { createRandom } from './random.ts'
import type { Account } from './region-file.ts'

/** The operator's people in the simulated region: one who handles forms, one more for what needs two, one who watches. */

/** A line of the registry's accounts file. */
type SeededOperator = {
  login: string
  password: string
  name: string
  position: string
  email: string
  phone: string
  roles: string[]
}

export const operatorsFile = (dataDir: string) => path.join(dataDir, 'registry', 'accounts.json')

const staff = [
  { role: 'cami_operator', login: 'operator', position: 'специалист отдела ЦАМИ' },
  { role: 'cami_admin', login: 'chief', position: 'администратор ЦАМИ' },
  { role: 'ministry_observer', login: 'observer', position: 'специалист министерства' },
] as const

/** Made once and written where the registry reads them when it starts. */
export async function seedOperators(options: {
  seed: number
  dataDir: string
}): Promise<Account[]> {
  const file = operatorsFile(options.dataDir)
  if (!existsSync(file)) {
    const random = createRandom(options.seed)
    const people = staff.map(({ role, login, position }, at): SeededOperator => ({
      login,
      password: password(random.bytes(20)),
      name: createWorker(random, random.pick(['M', 'F'])),
      position,
      email: `${login}@kuzdrav.example`,
      phone: `+7384236000${at}`,
      roles: [role],
    }))
    await writeFile(file, `${JSON.stringify(people, null, 2)}\n`, { mode: 0o600 })
  }
  const people = JSON.parse(await readFile(file, 'utf8')) as SeededOperator[]
  return people.map(({ roles, login, password }) => ({ role: roles[0] ?? '', login, password }))
}
