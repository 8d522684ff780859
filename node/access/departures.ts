import { codeOf } from '#protocol/errors.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { createTurns } from '../store/turns.ts'
import type { Account, Accounts } from './accounts.ts'
import type { Federation } from './federation.ts'

/** Tells the registry whose account was switched off here, or on again. */
export type Departures = Disposable & {
  /** Says what has not been said yet. */
  report(): Promise<void>
}

/** Accounts that the registry knows to be off, by their number. */
const kind = 'reported-departure'

/**
 * What is to be said is the difference between the accounts and what the registry is known to know. So nothing is lost in
 * a crash or while the registry is away, what is said twice says nothing new, and who left and came back meanwhile is not
 * spoken of.
 */
export async function openDepartures(deps: {
  accounts: Pick<Accounts, 'list' | 'userId' | 'onChange'>
  records: Pick<Records, 'list' | 'put' | 'del'>
  federation: Pick<Federation, 'registry' | 'onChange'>
  log: Log
}): Promise<Departures> {
  const { accounts, records, federation, log } = deps
  const inTurn = createTurns()
  const reported = new Set<string>()
  for await (const { key } of records.list(kind)) reported.add(key)
  const isNews = ({ id, enabled }: Account): boolean => enabled === reported.has(id)

  const tell = async (account: Account): Promise<void> => {
    const access = federation.registry()
    if (access === undefined) return
    const isOff = !account.enabled
    await access.request('user.report', { user: accounts.userId(account), isOff })
    if (isOff) {
      await records.put(kind, account.id, {})
      reported.add(account.id)
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
