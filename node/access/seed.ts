import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { NewAccount, type Accounts } from './accounts.ts'

const Seeds = z.array(NewAccount).min(1).max(1000)

/**
 * The first people of a node that knows nobody yet: its first administrator, or the accounts of a demo region. Once
 * there are accounts the file is not read any more and should be removed, since it holds passwords.
 */
export async function seedAccounts(file: string, accounts: Accounts): Promise<number> {
  if (accounts.list().length > 0) return 0
  const seeds = await readSeeds(file)
  await Promise.all(
    seeds.map(async (seed) => {
      try {
        await accounts.create(seed)
      } catch (cause) {
        if (!(cause instanceof ProtocolError)) throw cause
        throw wrong(`${file}: account "${seed.login}": ${cause.message}; correct it`, cause)
      }
    }),
  )
  return seeds.length
}

async function readSeeds(file: string): Promise<NewAccount[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw wrong(`cannot read ${file}: check the path`, cause)
  }
  if (((await stat(file)).mode & 0o077) !== 0) {
    throw wrong(`${file} holds passwords and others can read it: run chmod 600 ${file}`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw wrong(`${file} is not JSON: correct it`, cause)
  }
  const parsed = Seeds.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw wrong(`${file}: field "${issue?.path.join('.') ?? ''}": ${issue?.message}; correct it`)
}

const wrong = (message: string, cause?: unknown) =>
  new ProtocolError('configuration_invalid', message, { cause })
