import { createDraft } from './catalog-draft.ts'
import type { Draft } from './catalog-draft.ts'
import * as keys from './catalog-keys.ts'
import { standingOf } from './catalog-rows.ts'
import type { Change, EntryRow, Ledger } from './catalog-rows.ts'
import type { CatalogStore } from './catalog-store.ts'
import { takeOverlay } from './overlay-apply.ts'
import { createStudyRows } from './study-rows.ts'
import type { StudyRows } from './study-rows.ts'

/**
 * Turns changes into rows. The result does not depend on the order in which changes come, and taking one twice
 * changes nothing: so a replay and a rebuild end where the first run did.
 */
export type RowBuilder = {
  /** The rows of one batch. */
  build(changes: readonly Change[]): Promise<Map<string, Buffer | undefined>>
  ledger(): Ledger
  /** Forgets what is not written: the batch failed. */
  forget(): void
}

export function createRowBuilder(
  store: Pick<CatalogStore, 'get' | 'keys'>,
  node: string,
): RowBuilder {
  let draft = createDraft(store)
  return {
    ledger: () => draft.ledger(),
    async build(changes) {
      const rows = createStudyRows(draft, node)
      for (const change of changes) {
        // Only what changes rows that lie elsewhere has anything to wait for.
        const task = takeChange(draft, rows, change)
        if (task !== undefined) await task
      }
      return draft.finish()
    },
    forget() {
      draft = createDraft(store)
    },
  }
}

function takeChange(draft: Draft, rows: StudyRows, change: Change): Promise<void> | undefined {
  switch (change.kind) {
    case 'instance':
      draft.count({ seq: standingOf(change.filing) })
      return rows.takeInstance(change)
    case 'complete':
      draft.count({ seq: change.completion.seq })
      return rows.takeCompletion(change.completion)
    case 'overlay':
      draft.count({ seq: change.overlay.seq })
      return takeOverlay(draft, rows, change.overlay)
    case 'entry': {
      const { location, sha256, seq } = change
      draft.count({ seq })
      draft.put(keys.entryKey(seq), { location, sha256 } satisfies EntryRow)
      break
    }
    case 'none':
      break
  }
  return undefined
}
