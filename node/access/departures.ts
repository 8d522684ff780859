import { z } from 'zod'
import { codeOf } from '#protocol/errors.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { createTurns } from '#protocol/turns.ts'
import type { Account, Accounts } from './accounts.ts'
import type { Federation } from './federation.ts'

/** Tells the registry whose account was switched off here, or on again. */
export type Departures = Disposable & {
  /** Says what has not been said yet. */
  report(): Promise<void>
}

/** Accounts that the registry may know to be off, by their number; of the unanswered ones it may know either. */
const kind = 'reported-departure'
const Reported = z.strictObject({ isUnanswered: z.literal(true).exactOptional() })

/**
 * What is to be said is the difference between the accounts and what the registry may know. So nothing is lost in a crash,
 * with an answer or while the registry is away, what is said twice says nothing new, and who left and came back meanwhile
 * is not spoken of.
 */
export async function openDepartures(deps: {
  accounts: Pick<Accounts, 'list' | 'userId' | 'onChange'>
  records: Pick<Records, 'list' | 'put' | 'del'>
  federation: Pick<Federation, 'registry' | 'onChange'>
  log: Log
}): Promise<Departures> {
  const { accounts, records, federation, log } = deps
  const inTurn = createTurns()
  const reported = new Map<string, z.infer<typeof Reported>>()
  for await (const { key, value } of records.list(kind, Reported)) reported.set(key, value)
  const isNews = ({ id, enabled }: Account): boolean => {
    const known = reported.get(id)
    return enabled ? known !== undefined : known === undefined || known.isUnanswered === true
  }
  const note = async (id: string, value: z.infer<typeof Reported>): Promise<void> => {
    await records.put(kind, id, value)
    reported.set(id, value)
  }

  const tell = async (account: Account): Promise<void> => {
    const access = federation.registry()
    if (access === undefined) return
    const isOff = !account.enabled
    // Before it is told: when the answer is lost, nobody knows what the registry has heard.
    await note(account.id, { isUnanswered: true })
    await access.request('user.report', { user: accounts.userId(account), isOff })
    if (isOff) {
      await note(account.id, {})
    } else {
      await records.del(kind, account.id)
      reported.delete(account.id)
    }
  }
  const report = (): Promise<void> =>
    inTurn(async () => {
      for (const account of accounts.list().filter(isNews)) {
        // One that is not taken must not keep the others from being heard of; it is said again with the next beat.
        await tell(account).catch((error: unknown) => {
          log.info({ code: codeOf(error) }, 'the registry will hear later who has left')
        })
      }
    })
  const stops = [
    accounts.onChange((account) => {
      if (isNews(account)) void report()
    }),
    federation.onChange((change) => {
      if (change === 'registry') void report()
    }),
  ]
  return {
    report,
    [Symbol.dispose]() {
      for (const stop of stops) stop()
    },
  }
}
