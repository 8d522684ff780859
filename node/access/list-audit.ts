import type { AuditEntry } from '#protocol/audit-event.ts'

/**
 * Records of lists of one's own archive. The list does not wait for the disk: its record is in the log's queue, in its
 * place in the chain, and goes to the disk with the next sync. When that fails, no further list is given until a record
 * of one has been written; see docs/decisions/0023.
 */
export function createListAudit(audit: {
  append(entry: AuditEntry): Promise<unknown>
}): (entry: AuditEntry) => Promise<void> {
  let isFailing = false
  return async (entry) => {
    const written = audit.append(entry).then(
      () => void (isFailing = false),
      (error: unknown) => {
        isFailing = true
        throw error
      },
    )
    // A log that has failed already, or is too far behind, says so at once.
    await (isFailing ? written : Promise.race([written, promisesSettled()]))
  }
}

/** Everything that can be known without a wait is known then. */
const promisesSettled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))
