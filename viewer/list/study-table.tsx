import { useEffect, useRef, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import type { Study } from '../api/studies.ts'
import { correctors, isAllowed, studyDeskAddress } from '../desk/sections.ts'
import { useApp, useTranslation } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import { sexText } from '../parts/sex-text.ts'
import { type HolderState, holderOf } from './holder.ts'
import { rowAfter } from './row-keys.ts'

export type StudyTableProps = {
  studies: readonly Study[]
  scope: 'own' | 'region'
  organization: { oid: string; name: string }
}

/** Rows of studies: one Tab stop, arrows inside, Enter or a double click opens. */
export function StudyTable({ studies, scope, organization }: StudyTableProps) {
  const state = useApp()
  const { t } = useTranslation()
  const { route } = useLocation()
  const session = state.session.value
  const mayCorrect =
    scope === 'own' && typeof session === 'object' && isAllowed(correctors, session.user.roles)
  const body = useRef<HTMLTableSectionElement>(null)
  const remembered = studies.findIndex(({ uid }) => uid === state.lastStudy.value)
  const [current, setCurrent] = useState(Math.max(remembered, 0))
  const at = Math.min(current, studies.length - 1)

  const focusRow = (row: number) => {
    setCurrent(row)
    body.current?.rows[row]?.focus()
  }
  // Coming back from a study, the reader goes on from the row that she left.
  useEffect(() => {
    if (remembered >= 0) focusRow(remembered)
  }, [])

  const open = ({ uid }: Study) => {
    state.lastStudy.value = uid
    route(studyAddress(uid))
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isInMend(event)) return
    const study = studies[at]
    if (event.key === 'Enter' && study !== undefined) {
      event.preventDefault()
      open(study)
      return
    }
    const next = rowAfter(event.key, at, studies.length)
    if (next === undefined) return
    event.preventDefault()
    focusRow(next)
  }

  return (
    <table class={`studies ${scope}`} aria-label={t('studies')}>
      <TableHead scope={scope} mayCorrect={mayCorrect} />
      <tbody ref={body} onKeyDown={onKeyDown}>
        {studies.map((study, row) => (
          <StudyRow
            key={study.uid}
            study={study}
            tabIndex={row === at ? 0 : -1}
            holder={
              scope === 'region' ? holderOf(study, organization, state.region.value) : undefined
            }
            mayCorrect={mayCorrect}
            isLast={study.uid === state.lastStudy.value}
            onFocus={() => setCurrent(row)}
            onOpen={() => open(study)}
          />
        ))}
      </tbody>
    </table>
  )
}

type HeadProps = { scope: 'own' | 'region'; mayCorrect: boolean }

function TableHead({ scope, mayCorrect }: HeadProps) {
  const { t } = useTranslation()
  return (
    <thead>
      <tr>
        <th>{t('columnPatient')}</th>
        <th>{t('columnBirthDate')}</th>
        <th>{t('columnDate')}</th>
        <th>{t('columnModality')}</th>
        <th>{t('columnDescription')}</th>
        <th class="right">{t('columnCount')}</th>
        {scope === 'region' && <th>{t('columnHolder')}</th>}
        {mayCorrect && <th class="mend" aria-label={t('mend')} />}
      </tr>
    </thead>
  )
}

export const studyAddress = (uid: string): string => `/study/${uid}`

type RowProps = {
  study: Study
  tabIndex: number
  holder: HolderState | undefined
  mayCorrect: boolean
  isLast: boolean
  onFocus: () => void
  onOpen: () => void
}

function StudyRow({ study, tabIndex, holder, mayCorrect, isLast, onFocus, onOpen }: RowProps) {
  const { t, date, time, count, age } = useTranslation()
  const { patient } = study
  const isForeign = holder !== undefined && !holder.isOwn
  return (
    <tr
      tabIndex={tabIndex}
      data-testid="study-row"
      data-study={study.uid}
      class={[isForeign ? 'foreign' : '', isLast ? 'last' : ''].join(' ').trim() || undefined}
      onFocus={onFocus}
      onClick={(event) => {
        // The pencil is a link to another page.
        if (isInMend(event)) return
        // A link opened in a new tab is the browser's affair.
        if (!(event.ctrlKey || event.metaKey || event.shiftKey)) onOpen()
      }}
    >
      <td class="patient">
        <a href={studyAddress(study.uid)} tabIndex={-1} onClick={(event) => event.preventDefault()}>
          {patient.name === '' ? <span class="muted">{t('noName')}</span> : patient.name}
        </a>
        {patient.id !== '' && <small>{patient.id}</small>}
      </td>
      <td class="number">
        {date(patient.birthDate) || '—'}
        <small>
          {[sexText(patient.sex, t), age(patient.birthDate, study.date)]
            .filter((part) => part !== '')
            .join(', ')}
        </small>
      </td>
      <td class="number">
        {date(study.date) || <span class="muted">{t('noDate')}</span>}
        <small>{time(study.time)}</small>
      </td>
      <td>
        {study.modalities.map((modality) => (
          <span key={modality} class="modality">
            {modality}
          </span>
        ))}
      </td>
      <td class="description">
        {study.description === '' ? (
          <span class="muted">{t('noDescription')}</span>
        ) : (
          study.description
        )}
        {study.accession !== '' && (
          <small>
            {t('accession')} {study.accession}
          </small>
        )}
      </td>
      <td class="number right">
        {study.instances}
        <small>{count('series', study.series)}</small>
      </td>
      {holder !== undefined && <HolderCell holder={holder} />}
      {mayCorrect && <MendCell study={study.uid} />}
    </tr>
  )
}

const isInMend = ({ target }: Event): boolean =>
  target instanceof Element && target.closest('.mend') !== null

function MendCell({ study }: { study: string }) {
  const { t } = useTranslation()
  return (
    <td class="mend">
      <a
        class="icon-button"
        href={studyDeskAddress(study)}
        title={t('mend')}
        aria-label={t('mend')}
        data-testid="mend"
      >
        <Icon name="pencil" size={18} />
      </a>
    </td>
  )
}

function HolderCell({ holder }: { holder: HolderState }) {
  const { t, ago } = useTranslation()
  const { name, isOwn, isReachable, ageMs } = holder
  const isOld = ageMs !== undefined && ageMs > 60_000
  return (
    <td class="holder">
      {name}
      <small class={isReachable ? 'up' : 'down'}>
        <i class="dot" />
        {t(isOwn ? 'linkOwn' : isReachable ? 'linkUp' : 'linkDown')}
        {(isOld || !isReachable) && ageMs !== undefined && (
          <span class="muted"> · {t('copyOf', { age: ago(ageMs) }).toLowerCase()}</span>
        )}
      </small>
    </td>
  )
}
