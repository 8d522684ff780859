import '../desk/desk.css'
import type { ComponentType } from 'preact'
import { useEffect, useMemo } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { AccessSection } from '../desk/access.tsx'
import { ArchivesSection } from '../desk/archives.tsx'
import { CorrectionSection } from '../desk/correction.tsx'
import { DevicesSection } from '../desk/devices.tsx'
import { DuplicatesSection } from '../desk/duplicates.tsx'
import { EmergenciesSection } from '../desk/emergencies.tsx'
import { EncodingsSection } from '../desk/encodings.tsx'
import { NoticeBar } from '../desk/frame.tsx'
import { HistorySection } from '../desk/history.tsx'
import { MediaSection } from '../desk/media.tsx'
import { PeopleSection } from '../desk/people.tsx'
import { QuarantineSection } from '../desk/quarantine.tsx'
import { ReconciliationSection } from '../desk/reconciliation.tsx'
import { ReferralsSection } from '../desk/referrals.tsx'
import {
  hasStudies,
  sectionAddress,
  type SectionName,
  sectionsOf,
  studyDeskAddress,
} from '../desk/sections.ts'
import { SendingSection } from '../desk/sending.tsx'
import { StudyDesk } from '../desk/study-desk.tsx'
import { createDeskState, DeskContext, useTexts } from '../desk/use-desk.ts'
import { useApp } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import { Message } from '../parts/message.tsx'
import { TopBar } from '../parts/top-bar.tsx'

const sections: Record<SectionName, ComponentType> = {
  correction: CorrectionSection,
  duplicates: DuplicatesSection,
  encodings: EncodingsSection,
  quarantine: QuarantineSection,
  history: HistorySection,
  referrals: ReferralsSection,
  media: MediaSection,
  archives: ArchivesSection,
  devices: DevicesSection,
  people: PeopleSection,
  sending: SendingSection,
  access: AccessSection,
  emergencies: EmergenciesSection,
  reconciliation: ReconciliationSection,
}

/** «Работа с архивом»: a section for each kind of work, those alone that are this person's. */
export function DeskPage() {
  const { session: signedIn, listAddress } = useApp()
  const { d, t } = useTexts()
  const { path } = useLocation()
  const desk = useMemo(createDeskState, [])
  const session = signedIn.value
  const roles = typeof session === 'object' ? session.user.roles : []
  const allowed = sectionsOf(roles)
  const study = path.startsWith(studyDeskAddress(''))
    ? path.slice(studyDeskAddress('').length)
    : undefined
  const named = allowed.find((name) => path === sectionAddress(name))
  const current = named ?? (study === undefined ? allowed[0] : undefined)
  // What was done in one section is no news in the next.
  useEffect(() => {
    desk.notice.value = undefined
  }, [path])
  if (allowed.length === 0) {
    return <Message icon="lock" title={t('errorForbidden')} text={d('errorRole')} />
  }
  const Section = current === undefined ? undefined : sections[current]
  return (
    <DeskContext.Provider value={desk}>
      <div class="desk-page" data-testid="desk-page">
        <TopBar>
          {hasStudies(roles) && (
            <a class="button quiet" href={listAddress.value}>
              <Icon name="back" size={18} />
              {t('studies')}
            </a>
          )}
        </TopBar>
        <div class="desk-body">
          <nav class="desk-nav" aria-label={t('desk')}>
            {allowed.map((name) => (
              <a
                key={name}
                href={sectionAddress(name)}
                aria-current={name === current ? 'page' : undefined}
                data-testid={`section-${name}`}
              >
                {d(name)}
              </a>
            ))}
          </nav>
          <main class="desk-main">
            <NoticeBar />
            {Section !== undefined && <Section key={current} />}
            {Section === undefined && study !== undefined && (
              <StudyDesk key={study} study={study} />
            )}
          </main>
        </div>
      </div>
    </DeskContext.Provider>
  )
}
