import { useState } from 'preact/hooks'
import { get, type Person, type QuarantineEntry, release, type ReleaseAs } from './api.ts'
import { callerOf, personText } from './fields.ts'
import { Choices, Failure, Head, Loaded, useWhy, whyGiven, WhyFields } from './frame.tsx'
import { sectionAddress } from './sections.ts'
import { useAction, useDesk, useLoad } from './use-desk.ts'

/** «Карантин»: by reason and sender, then by study, since a decision is about a study. */
export function QuarantineSection() {
  const { d } = useDesk()
  const load = useLoad<{ entries: QuarantineEntry[] }>((signal) => get('/api/quarantine', signal))
  const empty = { icon: 'lock', title: 'quarantineEmpty', text: 'quarantineEmptyText' } as const
  return (
    <>
      <Head title={d('quarantine')} hint={d('quarantineHint')} load={load} />
      <Loaded load={load} isEmpty={({ entries }) => entries.length === 0} empty={empty}>
        {({ entries }) => (
          <div class="desk-stack">
            {[...Map.groupBy(entries, ({ reason, source }) => `${reason} ${source}`)].map(
              ([key, group]) => (
                <Group key={key} entries={group} onReleased={load.reload} />
              ),
            )}
          </div>
        )}
      </Loaded>
    </>
  )
}

type GroupProps = { entries: readonly QuarantineEntry[]; onReleased: () => void }

function Group({ entries, onReleased }: GroupProps) {
  const { d } = useDesk()
  const [first] = entries
  if (first === undefined) return null
  const { reason, source } = first
  const { aeTitle, address } = callerOf(source)
  const register = new URLSearchParams({ ae: aeTitle, address })
  return (
    <section class="desk-card" data-testid="quarantine-group">
      <div class="desk-card-head">
        <div>
          <h2>
            {d(`reason-${reason}`)} <span class="muted">{d('fromSource', { source })}</span>
          </h2>
          <p class="muted">{d(`reason-${reason}-text`)}</p>
        </div>
        {reason === 'unknown-device' && (
          <a class="button primary" href={`${sectionAddress('devices')}?${register.toString()}`}>
            {d('registerDevice')}
          </a>
        )}
      </div>
      <ul class="desk-log">
        {[...Map.groupBy(entries, ({ study }) => study)].map(([study, some]) => (
          <StudyRow key={study} entries={some} onReleased={onReleased} />
        ))}
      </ul>
    </section>
  )
}

function StudyRow({ entries, onReleased }: GroupProps) {
  const { d, bytes, moment } = useDesk()
  const [isOpen, setOpen] = useState(false)
  const [first] = entries
  if (first === undefined) return null
  const total = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  return (
    <li class="is-column">
      <div class="desk-card-head">
        <div>
          <p>
            {d('objects', { n: entries.length })} · {bytes(total)} ·{' '}
            {d('received', { at: moment(first.receivedAt) })}
          </p>
          <small class="uid">{first.study}</small>
        </div>
        {!isOpen && (
          <button
            type="button"
            class="button small"
            data-testid="decide"
            onClick={() => setOpen(true)}
          >
            {d('decide')}
          </button>
        )}
      </div>
      {isOpen && (
        <ReleaseForm entries={entries} onReleased={onReleased} close={() => setOpen(false)} />
      )}
    </li>
  )
}

/** A conflict of patients has three answers; for the rest there is nothing to choose. */
const answersOf = ({ reason }: QuarantineEntry): readonly ReleaseAs[] =>
  reason === 'patient-conflict' ? ['same-patient', 'other-patient'] : ['received']

const labels = {
  received: 'releaseReceived',
  'same-patient': 'releaseSame',
  'other-patient': 'releaseOther',
} as const

function ReleaseForm({ entries, onReleased, close }: GroupProps & { close: () => void }) {
  const { d, t, notice } = useDesk()
  const action = useAction()
  const [why, setWhy] = useWhy()
  const [first] = entries
  const answers = first === undefined ? [] : answersOf(first)
  const [as, setAs] = useState<ReleaseAs | undefined>(answers.length === 1 ? answers[0] : undefined)
  const run = (as: ReleaseAs) =>
    action.run(async () => {
      const ids = entries.map(({ id }) => id)
      const undo = await release(ids, as, whyGiven(why))
      const text = d('released', { n: ids.length })
      notice.value = { text, undo, onUndone: onReleased }
      onReleased()
    })
  return (
    <form
      class="desk-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (as !== undefined) void run(as)
      }}
    >
      {first?.patients !== undefined && <People {...first.patients} />}
      <Choices
        options={answers.map((one) => [one, d(labels[one])])}
        value={as}
        change={setAs}
        isWide
      />
      <WhyFields
        why={why}
        change={setWhy}
        usual={
          first?.reason === 'unknown-device'
            ? ['whyOldImages', 'whyChecked']
            : ['whyOneVisit', 'whyChecked', 'whyDocument']
        }
      />
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button primary"
          data-testid="release"
          disabled={as === undefined || why.reason.trim() === '' || action.isBusy}
        >
          {d('releaseChosen')}
        </button>
        <button type="button" class="button quiet" onClick={close}>
          {t('close')}
        </button>
        <span class="muted">{d('releaseHint')}</span>
      </div>
    </form>
  )
}

function People({ study, received }: { study: Person; received: Person }) {
  const { d, t, date } = useDesk()
  const shown = (label: string, person: Person, other: Person) => {
    const rows = [
      [personText(person.name) || t('noName'), person.name !== other.name],
      [person.id || d('noValue'), person.id !== other.id],
      [date(person.birthDate) || d('noValue'), person.birthDate !== other.birthDate],
    ] as const
    return (
      <div class="desk-option">
        <small>{label}</small>
        {rows.map(([value, isDifferent], row) => (
          <span key={row}>{isDifferent ? <mark>{value}</mark> : value}</span>
        ))}
      </div>
    )
  }
  return (
    <div class="desk-pair wide">
      {shown(d('inStudy'), study, received)}
      {shown(d('inReceived'), received, study)}
    </div>
  )
}
