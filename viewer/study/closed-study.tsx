import type { Closed } from '../api/reading.ts'
import type { Key } from '../i18n/i18n.ts'
import { useApp, useTranslation } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import { EmergencyAccess } from './emergency.tsx'
import { LanguageSwitch } from '../parts/language-switch.tsx'

type ClosedProps = { study: string; closed: Closed; since: number; back: () => void }

/** In place of a study that was open: what has happened, when, and whom to ask. Nothing of the patient is left here. */
export function ClosedStudy({ study, closed, since, back }: ClosedProps) {
  const { t, clock } = useTranslation()
  const holder = useHolderName(closed.holder)
  return (
    <div class="study-page" data-testid="study-closed" data-because={closed.because}>
      <header class="patient-bar">
        <button type="button" class="button quiet back" data-testid="back" onClick={back}>
          <Icon name="back" />
          <span>{t('back')}</span>
        </button>
        <div class="patient-bar-end">
          <LanguageSwitch />
        </div>
      </header>
      <main class="stage-area">
        <div class="message" role="alert">
          <div class="message-icon">
            <Icon name="lock" size={30} />
          </div>
          <h2>{t('studyClosed')}</h2>
          {closed.sentence === undefined ? (
            <p>{t(reasons[closed.because] ?? 'closedOther', { holder })}</p>
          ) : (
            <p lang="ru">{closed.sentence}</p>
          )}
          <p class="muted">{t('closedAt', { time: clock(since) })}</p>
          <button type="button" class="button primary" onClick={back}>
            {t('closedBack')}
          </button>
          <EmergencyAccess study={study} holder={closed.holder} />
        </div>
      </main>
    </div>
  )
}

function useHolderName(oid: string | undefined): string {
  const { region } = useApp()
  const { t } = useTranslation()
  return region.value?.holders.find((one) => one.oid === oid)?.name ?? t('closedHolder')
}

const reasons: { [code: string]: Key | undefined } = {
  grant_inactive: 'closedRevoked',
  grant_absent: 'closedRevoked',
  grant_expired: 'closedExpired',
  user_not_named: 'closedNotNamed',
  user_disabled: 'closedDisabled',
  peer_suspended: 'closedSuspended',
  organization_restricted: 'closedRestricted',
  second_factor_required: 'errorSecondFactor',
}
