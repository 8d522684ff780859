import { withArchiveOf } from './conformance.fixture.ts'
import type { Conformance } from './conformance.fixture.ts'
import { indexConformance } from './index.conformance.ts'
import { intakeConformance } from './intake.conformance.ts'
import { overlayConformance } from './overlay.conformance.ts'
import { readingConformance } from './reading.conformance.ts'
import { searchConformance } from './search.conformance.ts'

/** What every archive keeps to, whatever it stores in. */
export function archiveConformance(name: string, conformance: Conformance): void {
  const withArchive = withArchiveOf(conformance)
  intakeConformance(name, withArchive)
  readingConformance(name, withArchive)
  searchConformance(name, withArchive)
  indexConformance(name, withArchive)
  overlayConformance(name, withArchive)
}
