import type { ComponentChildren } from 'preact'
import type { Study } from '../api/studies.ts'
import type { HolderState } from '../list/holder.ts'
import { useTranslation } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import { sexText } from '../parts/sex-text.ts'

export type PatientBarProps = {
  study: Study | undefined
  holder: HolderState | undefined
  back: () => void
  children: ComponentChildren
}

/** Whose images these are: on the screen at all times, and striped when another organization holds them. */
export function PatientBar({ study, holder, back, children }: PatientBarProps) {
  const { t } = useTranslation()
  const isForeign = holder !== undefined && !holder.isOwn
  return (
    <header class={isForeign ? 'patient-bar foreign' : 'patient-bar'}>
      <button
        type="button"
        class="button quiet back"
        title={`${t('back')} (Esc)`}
        data-testid="back"
        onClick={back}
      >
        <Icon name="back" />
        <span>{t('back')}</span>
      </button>
      {study !== undefined && <Identity study={study} />}
      {holder !== undefined && <HolderChip holder={holder} />}
      <div class="patient-bar-end">{children}</div>
    </header>
  )
}

function Identity({ study }: { study: Study }) {
  const { t, date, time, age } = useTranslation()
  const { patient } = study
  const years = age(patient.birthDate, study.date)
  const born = date(patient.birthDate)
  const facts = [
    sexText(patient.sex, t) || t('patientSexUnknown'),
    born === '' ? '' : `${t('born')} ${born}${years === '' ? '' : ` (${years})`}`,
    patient.id === '' ? '' : `${t('patientId')} ${patient.id}`,
  ]
  const about = [
    `${date(study.date) || t('noDate')} ${time(study.time)}`.trim(),
    study.modalities.join(', '),
    study.description,
    study.accession === '' ? '' : `${t('accession')} ${study.accession}`,
  ]
  return (
    <div class="identity">
      <strong data-testid="patient-name">{patient.name === '' ? t('noName') : patient.name}</strong>
      <span>{joined(facts)}</span>
      <span class="muted">{joined(about)}</span>
    </div>
  )
}

const joined = (parts: readonly string[]) => parts.filter((part) => part !== '').join(' · ')

function HolderChip({ holder }: { holder: HolderState }) {
  const { t } = useTranslation()
  const { name, isOwn, isReachable } = holder
  return (
    <div
      class={isOwn ? 'holder-chip' : 'holder-chip foreign'}
      data-testid="holder"
      data-own={isOwn}
      data-reachable={isReachable}
      title={name}
    >
      <Icon name="building" size={18} />
      <span>
        <small>
          {t(isOwn ? 'ownHolder' : 'foreignHolder')}
          {!isOwn && (
            <span class={isReachable ? 'up' : 'down'}>
              {' · '}
              <i class="dot" />
              {t(isReachable ? 'linkUp' : 'linkDown')}
            </span>
          )}
        </small>
        <span class="holder-name">{name}</span>
      </span>
    </div>
  )
}
