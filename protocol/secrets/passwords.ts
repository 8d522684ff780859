import { hash, verify } from '@node-rs/argon2'
import { ProtocolError } from '../errors.ts'
import { httpLimits } from '../limits.ts'

/**
 * Argon2id, 64 MiB and three passes: about 50 ms of one core each. A flood of sign-ins must not take the memory of the
 * archive, so few run at once, some wait, and the rest are told that the server is busy.
 */
export type Passwords = {
  hash(password: string): Promise<string>
  /** Without a stored hash it takes the same time and says no: whether a login exists does not show. */
  verify(stored: string | undefined, password: string): Promise<boolean>
}

const cost = { memoryCost: 64 * 1024, timeCost: 3, parallelism: 1 } as const

/** A well-formed hash of the same cost that no password has. */
const nobody = `$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},p=${cost.parallelism}$${'A'.repeat(22)}$${'A'.repeat(43)}`

export function createPasswords(): Passwords {
  const inTurn = createTurns()
  return {
    hash: (password) => inTurn(() => hash(normal(password), cost)),
    verify: (stored, password) =>
      inTurn(async () => {
        const matches = await verify(stored ?? nobody, normal(password))
        return matches && stored !== undefined
      }),
  }
}

/** The same letters typed on different systems are the same password (NIST SP 800-63B, 3.1.1.2). */
const normal = (password: string) => password.normalize('NFKC')

/**
 * Length decides (B-9); classes of characters and periodic change are not asked for. Nothing is cut off, so the maximum
 * only bounds the work.
 */
export function checkPassword(
  password: string,
  login: string,
  lengthMin: number = httpLimits.passwordLengthMin,
): void {
  const length = Array.from(normal(password)).length
  if (length > httpLimits.passwordLengthMax) throw weak('is too long')
  if (length < lengthMin) throw weak(`is shorter than ${lengthMin} characters`)
  if (new Set(password).size < 5) throw weak('repeats a few characters')
  if (password.toLowerCase().includes(login)) throw weak('contains the login')
}

const weak = (what: string) => new ProtocolError('bad_request', `the password ${what}`)

function createTurns() {
  const waiting: (() => void)[] = []
  let running = 0
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= httpLimits.passwordHashesMax) {
      if (waiting.length >= httpLimits.passwordQueueMax) {
        throw new ProtocolError('unavailable', 'too many sign-ins at once')
      }
      // Whoever ends hands its place over, so `running` stays as it is.
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
