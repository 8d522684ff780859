import { useState } from 'preact/hooks'
import { type Duplicate, type DuplicatePatient, get, merge } from './api.ts'
import { sexText } from '../parts/sex-text.ts'
import { personText } from './fields.ts'
import { Failure, Head, Loaded, useWhy, whyGiven, WhyFields } from './frame.tsx'
import { useAction, useDesk, useLoad } from './use-desk.ts'

const pageSize = 100

/** «Дубли пациентов»: pairs who may be one; merging shows one's studies under the other. */
export function DuplicatesSection() {
  const { d } = useDesk()
  const load = useLoad<{ candidates: Duplicate[]; more: boolean }>((signal) =>
    get(`/api/patients/duplicates?limit=${pageSize}`, signal),
  )
  const empty = { icon: 'user', title: 'duplicatesEmpty', text: 'duplicatesEmptyText' } as const
  return (
    <>
      <Head title={d('duplicates')} hint={d('duplicatesHint')} load={load} />
      <Loaded load={load} isEmpty={({ candidates }) => candidates.length === 0} empty={empty}>
        {({ candidates, more }) => (
          <div class="desk-stack">
            {candidates.map((candidate) => (
              <Pair
                key={candidate.patients.map(({ id, issuer }) => `${id} ${issuer}`).join(' ')}
                candidate={candidate}
                onMerged={load.reload}
              />
            ))}
            {more && <p class="muted">{d('more', { n: pageSize })}</p>}
          </div>
        )}
      </Loaded>
    </>
  )
}

function Pair({ candidate, onMerged }: { candidate: Duplicate; onMerged: () => void }) {
  const { d } = useDesk()
  const { patients, because, isCertain } = candidate
  const [kept, setKept] = useState<0 | 1 | undefined>(undefined)
  return (
    <section class="desk-card" data-testid="duplicate">
      <h2>{d(isCertain ? 'isCertain' : `because${because}`)}</h2>
      <div class="desk-pair">
        {([0, 1] as const).map((side) => (
          <PatientCard
            key={side}
            patient={patients[side]}
            other={patients[side === 0 ? 1 : 0]}
            isKept={kept === side}
            keep={() => setKept(side)}
          />
        ))}
      </div>
      {kept === undefined ? (
        <p class="muted">{d('mergeChoose')}</p>
      ) : (
        <MergeForm
          from={patients[kept === 0 ? 1 : 0]}
          to={patients[kept]}
          isBySnils={because === 'snils'}
          onMerged={onMerged}
        />
      )}
    </section>
  )
}

type CardProps = {
  patient: DuplicatePatient
  other: DuplicatePatient
  isKept: boolean
  keep: () => void
}

/** What differs between the two is marked: that is where the typing error is. */
function PatientCard({ patient, other, isKept, keep }: CardProps) {
  const { d, t, date } = useDesk()
  const rows = [
    [d('tag00100010'), personText(patient.name) || t('noName'), patient.name !== other.name],
    [d('birth'), date(patient.birthDate), patient.birthDate !== other.birthDate],
    [d('patientNumber'), patient.id, patient.id !== other.id],
    [d('sex'), sexText(patient.sex, t), patient.sex !== other.sex],
  ] as const
  return (
    <button type="button" class="desk-option" aria-pressed={isKept} onClick={keep}>
      <span class="option-mark">{d('keepThis')}</span>
      {rows.map(([label, value, isDifferent]) => (
        <span key={label} class="option-row">
          <small>{label}</small>
          {isDifferent ? <mark>{value || d('noValue')}</mark> : value || d('noValue')}
        </span>
      ))}
      <small>{d('studiesCount', { n: patient.studies })}</small>
    </button>
  )
}

type MergeProps = {
  from: DuplicatePatient
  to: DuplicatePatient
  isBySnils: boolean
  onMerged: () => void
}

function MergeForm({ from, to, isBySnils, onMerged }: MergeProps) {
  const { d, notice } = useDesk()
  const action = useAction()
  const [why, setWhy] = useWhy()
  const run = () =>
    action.run(async () => {
      const undo = await merge(from, to, whyGiven(why))
      notice.value = { text: d('merged'), undo, onUndone: onMerged }
      onMerged()
    })
  const named = ({ name, id }: DuplicatePatient) => `${personText(name)} (${id})`
  return (
    <form
      class="desk-form"
      onSubmit={(event) => {
        event.preventDefault()
        void run()
      }}
    >
      <p class="notice wide">
        {d('mergePreview', { n: from.studies, from: named(from), to: named(to) })}
      </p>
      <WhyFields
        why={why}
        change={setWhy}
        usual={isBySnils ? ['whySnils', 'whySame'] : ['whySame', 'whyTypo', 'whyDocument']}
      />
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button primary"
          data-testid="merge"
          disabled={action.isBusy || why.reason.trim() === ''}
        >
          {d('mergeDo')}
        </button>
      </div>
    </form>
  )
}
