import { useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { type Attention, type Findings, get } from './api.ts'
import { distinctFindings, isProvisional, personText } from './fields.ts'
import { findingText } from './finding-text.ts'
import { Head, Loaded } from './frame.tsx'
import { sectionAddress, studyDeskAddress } from './sections.ts'
import { useDesk, useLoad } from './use-desk.ts'

const pageSize = 500
/** A study without an id is to be seen within seconds of its arrival (stories.md, US-1). */
const refreshMs = 4000

/** «Требует исправления». */
export function CorrectionSection() {
  const { d } = useDesk()
  const [code, setCode] = useState('')
  const load = useLoad<Attention>(
    (signal) => get(`/api/quality?limit=${pageSize}`, signal),
    '',
    refreshMs,
  )
  const empty = {
    icon: 'inbox',
    title: 'correctionEmpty',
    text: 'correctionEmptyText',
  } as const
  return (
    <>
      <Head title={d('correction')} hint={d('correctionHint')} load={load} />
      <Loaded load={load} isEmpty={({ studies }) => studies.length === 0} empty={empty}>
        {({ studies, counts, more }) => {
          const shown = studies.filter((study) => code === '' || hasToCorrect(study, code))
          return (
            <>
              <Rules counts={counts} total={studies.length} code={code} change={setCode} />
              <Rows studies={shown} />
              {more && <p class="muted">{d('more', { n: pageSize })}</p>}
            </>
          )
        }}
      </Loaded>
    </>
  )
}

const hasToCorrect = ({ findings }: Findings, code: string): boolean =>
  findings.some((finding) => finding.code === code && finding.action === 'correct')

type RulesProps = {
  counts: Record<string, number>
  total: number
  code: string
  change: (code: string) => void
}

function Rules({ counts, total, code, change }: RulesProps) {
  const texts = useDesk()
  const codes = Object.entries(counts)
  if (codes.length < 2) return null
  return (
    <div class="desk-choices">
      <button type="button" class="choice" aria-pressed={code === ''} onClick={() => change('')}>
        {texts.d('allReasons', { n: total })}
      </button>
      {codes.map(([name, count]) => (
        <button
          key={name}
          type="button"
          class="choice"
          aria-pressed={code === name}
          title={findingText({ code: name, action: 'correct' }, texts)}
          onClick={() => change(name)}
        >
          {texts.d(shortNames[name] ?? 'columnWrong')}: {count}
        </button>
      ))}
    </div>
  )
}

const shortNames: {
  [code: string]: 'tag00100020' | 'tag00100010' | 'tag00100030' | 'columnEncoding'
} = {
  'DQ-02': 'tag00100020',
  'DQ-03': 'tag00100010',
  'DQ-04': 'tag00100030',
  'DQ-06': 'columnEncoding',
}

function Rows({ studies }: { studies: readonly Findings[] }) {
  const { d } = useDesk()
  return (
    <table class="desk-table">
      <thead>
        <tr>
          <th>{d('columnWrong')}</th>
          <th>{d('columnPatientNow')}</th>
          <th>{d('columnStudy')}</th>
          <th />
        </tr>
      </thead>
      <tbody>
        {studies.map((findings) => (
          <Row key={findings.study} findings={findings} />
        ))}
      </tbody>
    </table>
  )
}

function Row({ findings: row }: { findings: Findings }) {
  const texts = useDesk()
  const { d, t, date, moment, roles } = texts
  const { route } = useLocation()
  const { study, patient, findings, description, receivedAt, device, doubt } = row
  const isQuestion = doubt !== undefined && roles.includes('mo_admin')
  const address = isQuestion ? sectionAddress('encodings') : studyDeskAddress(study)
  const name = doubt === undefined ? personText(patient.name) : ''
  return (
    <tr class="can-open" data-testid="correction-row" onClick={() => route(address)}>
      <td class="what">
        {distinctFindings(findings)
          .filter(({ action }) => action === 'correct')
          .map((finding) => (
            <p key={finding.code}>{findingText(finding, texts)}</p>
          ))}
      </td>
      <td>
        {name || <span class="muted">{doubt === undefined ? t('noName') : d('unreadable')}</span>}
        <small>
          {[isProvisional(patient.id) ? '' : patient.id, date(patient.birthDate)]
            .filter(Boolean)
            .join(' · ')}
        </small>
      </td>
      <td>
        {description || <span class="muted">{t('noDescription')}</span>}
        <small>
          {[date(row.date), device, d('received', { at: moment(receivedAt) })]
            .filter(Boolean)
            .join(' · ')}
        </small>
      </td>
      <td class="acts">
        <a class="button small" href={address}>
          {d(isQuestion ? 'toQuestion' : 'fix')}
        </a>
      </td>
    </tr>
  )
}
