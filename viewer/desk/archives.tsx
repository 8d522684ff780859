import { useState } from 'preact/hooks'
import { ApiError } from '../api/http.ts'
import { Icon } from '../parts/icons.tsx'
import { get, post } from './api.ts'
import { dicomDateFrom, personText } from './fields.ts'
import { Field, Head, Loaded, Warning } from './frame.tsx'
import { MoveList, type Moves, remoteErrorText, useMoves } from './moves.tsx'
import { type Action, useAction, useDesk, useLoad } from './use-desk.ts'

type Archive = { id: string; aeTitle: string }
type Row = Partial<
  Record<
    'patientId' | 'patientName' | 'birthDate' | 'date' | 'modalities' | 'description' | 'study',
    string
  >
> & { studyInstances?: string }
type Found = { archive: string; rows: Row[]; more: boolean }

/** «Другие архивы»: what is in another archive of this organization, and bringing it here. */
export function ArchivesSection() {
  const { d } = useDesk()
  const load = useLoad<{ archives: Archive[] }>((signal) => get('/api/archives', signal))
  const empty = { icon: 'inbox', title: 'archivesEmpty', text: 'archivesEmptyText' } as const
  return (
    <>
      <Head title={d('archives')} hint={d('archivesHint')} load={load} />
      <Loaded load={load} isEmpty={({ archives }) => archives.length === 0} empty={empty}>
        {({ archives }) => <Archives archives={archives} />}
      </Loaded>
    </>
  )
}

function Archives({ archives }: { archives: readonly Archive[] }) {
  const [found, setFound] = useState<Found | undefined>(undefined)
  const moves = useMoves()
  return (
    <div class="desk-stack">
      <Search archives={archives} onFound={setFound} />
      {found !== undefined && <FoundStudies found={found} moves={moves} />}
      <MoveList load={moves} />
    </div>
  )
}

function RemoteFailure({ action, isBusyText }: { action: Action; isBusyText?: true }) {
  const desk = useDesk()
  if (action.failure === undefined) return null
  const isBusy =
    isBusyText === true &&
    action.failure instanceof ApiError &&
    action.failure.code === 'unavailable'
  return (
    <p class="form-error" role="alert">
      <Icon name="warning" size={18} />
      {isBusy ? desk.d('remote-busy') : remoteErrorText(action.failure, desk)}
    </p>
  )
}

const nothing = { name: '', patientId: '', accession: '', from: '', to: '', modality: '' }
type Wanted = typeof nothing

/** As a person writes it, into the keys of a query: parts of a name, a range of days. */
function queryOf({ name, patientId, accession, from, to, modality }: Wanted) {
  const parts = name
    .trim()
    .split(/[\s^]+/)
    .filter(Boolean)
    .join('^')
  const days = [from, to].map(dicomDateFrom)
  const keys = {
    patientName: parts === '' || parts.endsWith('*') ? parts : `${parts}*`,
    patientId: patientId.trim(),
    accession: accession.trim(),
    date: from === '' && to === '' ? '' : days[0] === days[1] ? (days[0] ?? '') : days.join('-'),
    modality: modality.trim().toUpperCase(),
  }
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== ''))
}

type SearchProps = { archives: readonly Archive[]; onFound: (found: Found | undefined) => void }

function Search({ archives, onFound }: SearchProps) {
  const { d, notice } = useDesk()
  const action = useAction()
  const [archive, setArchive] = useState(archives[0]?.id ?? '')
  const [wanted, setWanted] = useState(nothing)
  const keys = queryOf(wanted)
  const path = `/api/archives/${encodeURIComponent(archive)}`
  const echo = () =>
    action.run(async () => {
      await post(`${path}/echo`)
      notice.value = { text: d('archiveAnswers', { name: archive }) }
    })
  const find = () =>
    action.run(async () => {
      onFound(undefined)
      const answer = await post<Omit<Found, 'archive'>>(`${path}/find`, keys)
      onFound({ archive, ...answer })
    })
  return (
    <form
      class="desk-card"
      data-testid="archive-search"
      onSubmit={(event) => {
        event.preventDefault()
        void find()
      }}
    >
      <div class="desk-form">
        <Field label={d('archiveWhich')}>
          <select
            class="text"
            name="archive"
            value={archive}
            onChange={({ currentTarget }) => setArchive(currentTarget.value)}
          >
            {archives.map(({ id, aeTitle }) => (
              <option key={id} value={id}>
                {id === aeTitle ? id : `${id} (${aeTitle})`}
              </option>
            ))}
          </select>
        </Field>
        <Keys wanted={wanted} change={setWanted} />
      </div>
      <RemoteFailure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button primary"
          data-testid="archive-find"
          disabled={action.isBusy || Object.keys(keys).length === 0}
        >
          {d(action.isBusy ? 'archiveFinding' : 'archiveFind')}
        </button>
        <button
          type="button"
          class="button quiet"
          data-testid="archive-echo"
          disabled={action.isBusy}
          onClick={() => void echo()}
        >
          {d('archiveEcho')}
        </button>
      </div>
    </form>
  )
}

type KeysProps = { wanted: Wanted; change: (wanted: Wanted) => void }

function Keys({ wanted, change }: KeysProps) {
  const { d } = useDesk()
  const given = (name: keyof Wanted, maxLength: number) => ({
    class: 'text',
    name,
    maxLength,
    spellcheck: false,
    value: wanted[name],
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) =>
      change({ ...wanted, [name]: currentTarget.value }),
  })
  return (
    <>
      <Field label={d('archiveName')} hint={d('archiveNameHint')}>
        <input {...given('name', 63)} />
      </Field>
      <Field label={d('archivePatientId')}>
        <input {...given('patientId', 64)} />
      </Field>
      <Field label={d('archiveAccession')}>
        <input {...given('accession', 16)} />
      </Field>
      <Field label={d('archiveFrom')}>
        <input type="date" {...given('from', 10)} />
      </Field>
      <Field label={d('archiveTo')}>
        <input type="date" {...given('to', 10)} />
      </Field>
      <Field label={d('archiveModality')}>
        <input {...given('modality', 16)} />
      </Field>
    </>
  )
}

function FoundStudies({ found, moves }: { found: Found; moves: Moves }) {
  const { d } = useDesk()
  const { archive, rows, more } = found
  if (rows.length === 0) return <p role="status">{d('archiveNone')}</p>
  return (
    <>
      {more && <Warning>{d('archiveMore')}</Warning>}
      <table class="desk-table" aria-label={d('archiveFound', { n: rows.length })}>
        <thead>
          <tr>
            <th>{d('columnPatient')}</th>
            <th>{d('columnStudyDate')}</th>
            <th>{d('columnWhat')}</th>
            <th class="right">{d('columnSize')}</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <FoundRow key={row.study ?? at} archive={archive} row={row} moves={moves} />
          ))}
        </tbody>
      </table>
    </>
  )
}

type RowProps = { archive: string; row: Row; moves: Moves }

function FoundRow({ archive, row, moves }: RowProps) {
  const { d, date, notice } = useDesk()
  const action = useAction()
  const { patientName = '', patientId, birthDate = '', study, description, modalities } = row
  const isComing = moves.data?.moves.some((one) => one.study === study && one.state === 'running')
  const bring = () =>
    action.run(async () => {
      await post(`/api/archives/${encodeURIComponent(archive)}/moves`, { study })
      notice.value = { text: d('archiveBegun') }
      moves.reload()
    })
  return (
    <tr data-testid="archive-row">
      <td>
        {personText(patientName)}
        <small>{[patientId, date(birthDate)].filter(Boolean).join(' · ')}</small>
      </td>
      <td class="number">{date(row.date ?? '')}</td>
      <td>
        {[modalities, description].filter(Boolean).join(' · ')}
        <small class="uid">{study}</small>
      </td>
      <td class="number right">{row.studyInstances}</td>
      <td class="acts">
        {study !== undefined && (
          <button
            type="button"
            class="button small"
            data-testid="archive-bring"
            disabled={action.isBusy || isComing === true}
            onClick={() => void bring()}
          >
            {d('archiveBring')}
          </button>
        )}
        <RemoteFailure action={action} isBusyText />
      </td>
    </tr>
  )
}
