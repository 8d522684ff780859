import type { CreditController, CreditMember } from './credit-controller.ts'

/**
 * The credit of one stream. It is the background's, until somebody waits for what the stream carries: then more is
 * granted, as to an interactive stream, so that nothing has to be asked for twice on another one.
 */
export type Purse = {
  /** Credit to grant now. */
  top(): number
  received(bytes: number): void
  resume(): void
  /** Somebody waits for this; until it is settled. */
  hurry(what: object): void
  settle(what: object): void
  leave(): void
}

export function createPurse(usual: CreditController, urgent: CreditController): Purse {
  const patient = usual.join()
  const awaited = new Set<object>()
  let hasty: CreditMember | undefined
  const isUrgent = (): boolean => awaited.size > 0
  const inUse = (): CreditMember => (isUrgent() ? (hasty ??= urgent.join()) : patient)
  return {
    top: () => inUse().top(),
    resume: () => inUse().resume(),
    received(bytes) {
      // What was granted before the change arrives first.
      const [first, second] = isUrgent() ? [patient, hasty] : [hasty, patient]
      const early = Math.min(bytes, first?.outstanding() ?? 0)
      if (early > 0) first?.received(early)
      if (bytes > early) second?.received(bytes - early)
    },
    hurry: (what) => void awaited.add(what),
    settle: (what) => void awaited.delete(what),
    leave() {
      patient.leave()
      hasty?.leave()
    },
  }
}
