import { useState } from 'preact/hooks'
import { type Attention, type Candidate, type Findings, get, post, remove } from './api.ts'
import type { PinnedEncoding } from './api.ts'
import { personText } from './fields.ts'
import { Failure, Head, Loaded } from './frame.tsx'
import { useAction, useDesk, useLoad } from './use-desk.ts'

export const encodings = ['utf-8', 'windows-1251', 'iso-8859-5', 'ibm866', 'koi8-r'] as const

/** «Вопросы о кодировке»: nothing is chosen beforehand, since a guess must not look like a fact. */
export function EncodingsSection() {
  const { d } = useDesk()
  const load = useLoad<Attention>((signal) => get('/api/quality?limit=500', signal))
  const known = useLoad<{ encodings: PinnedEncoding[] }>((signal) => get('/api/encodings', signal))
  const questions = load.data?.studies.filter(({ doubt }) => doubt !== undefined) ?? []
  const empty = { icon: 'document', title: 'encodingsEmpty', text: 'encodingsEmptyText' } as const
  const reload = () => {
    load.reload()
    known.reload()
  }
  return (
    <>
      <Head title={d('encodings')} hint={d('encodingsHint')} load={load} />
      <Loaded load={load} isEmpty={() => questions.length === 0} empty={empty}>
        {() => (
          <div class="desk-stack">
            {questions.map((findings) => (
              <Question key={findings.study} findings={findings} onAnswered={reload} />
            ))}
          </div>
        )}
      </Loaded>
      <section class="desk-card">
        <h2>{d('knownEncodings')}</h2>
        <Loaded load={known}>
          {({ encodings }) => <Known encodings={encodings} onChanged={known.reload} />}
        </Loaded>
      </section>
    </>
  )
}

type QuestionProps = { findings: Findings; onAnswered: () => void }

function Question({ findings, onAnswered }: QuestionProps) {
  const { d, t, moment, notice } = useDesk()
  const action = useAction()
  const [encoding, setEncoding] = useState('')
  const [pin, setPin] = useState(false)
  const { study, device, doubt, receivedAt } = findings
  const { declared = [], candidates = [] } = doubt ?? {}
  const save = () =>
    action.run(async () => {
      const { studies } = await post<{ studies: number }>(`/api/studies/${study}/encoding`, {
        encoding,
        pin,
      })
      notice.value = { text: d('encodingSaved', { n: studies }) }
      onAnswered()
    })
  const stated = declared.filter((term) => term !== '')
  return (
    <form
      class="desk-card"
      data-testid="question"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <h2>{device === '' ? t('noName') : d('fromDevice', { device })}</h2>
      <p class="muted">
        {d('received', { at: moment(receivedAt) })} ·{' '}
        {stated.length === 0 ? d('declaredNothing') : d('declared', { what: stated.join(', ') })}
      </p>
      <Candidates name={study} candidates={candidates} chosen={encoding} choose={setEncoding} />
      {device !== '' && (
        <label class="check">
          <input
            type="checkbox"
            checked={pin}
            onChange={({ currentTarget }) => setPin(currentTarget.checked)}
          />
          {d('rememberFor', { device })}
        </label>
      )}
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button primary"
          data-testid="answer"
          disabled={encoding === '' || action.isBusy}
        >
          {d('encodingSave')}
        </button>
        {encoding === '' && <span class="muted">{d('encodingChoose')}</span>}
      </div>
    </form>
  )
}

/** Whatever the letters say: it is a question as long as nobody has answered it. */
const certaintyMax = 99

type CandidatesProps = {
  name: string
  candidates: readonly Candidate[]
  chosen: string
  choose: (encoding: string) => void
}

function Candidates({ name, candidates, chosen, choose }: CandidatesProps) {
  const { d, number } = useDesk()
  return (
    <table class="desk-table">
      <thead>
        <tr>
          <th />
          <th>{d('columnReading')}</th>
          <th>{d('columnOther')}</th>
          <th>{d('columnEncoding')}</th>
          <th>{d('columnConfidence')}</th>
        </tr>
      </thead>
      <tbody>
        {candidates.map(({ encoding, confidence, isPlausible, texts }) => (
          <tr
            key={encoding}
            class={isPlausible ? 'can-open' : 'can-open is-unlikely'}
            onClick={() => choose(encoding)}
          >
            <td>
              <input
                type="radio"
                name={name}
                aria-label={encoding}
                checked={chosen === encoding}
                onChange={() => choose(encoding)}
              />
            </td>
            <td class="reading">{personText(texts['00100010'] ?? '') || d('empty')}</td>
            <td>
              {Object.entries(texts)
                .filter(([tag, text]) => tag !== '00100010' && /[^\x20-\x7e]/.test(text))
                .slice(0, 3)
                .map(([tag, text]) => (
                  <small key={tag}>{text.slice(0, 80)}</small>
                ))}
            </td>
            <td>{encoding}</td>
            <td>
              {isPlausible
                ? `${number(Math.min(certaintyMax, confidence * 100))} %`
                : d('unlikely')}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

type KnownProps = { encodings: readonly PinnedEncoding[]; onChanged: () => void }

function Known({ encodings, onChanged }: KnownProps) {
  const { d, moment, notice } = useDesk()
  const action = useAction()
  const forget = (device: string) =>
    action.run(async () => {
      await remove(`/api/encodings/${encodeURIComponent(device)}`)
      notice.value = { text: d('forgotten', { device }) }
      onChanged()
    })
  if (encodings.length === 0) return <p class="muted">{d('knownNone')}</p>
  return (
    <>
      <Failure action={action} />
      <ul class="desk-log">
        {encodings.map(({ device, encoding, source, at }) => (
          <li key={device}>
            <div>
              <p>
                <strong>{device}</strong>: {encoding}
              </p>
              <small>
                {d(`source${source}`)} · {moment(at)}
              </small>
            </div>
            <button
              type="button"
              class="button small"
              disabled={action.isBusy}
              onClick={() => void forget(device)}
            >
              {d('forget')}
            </button>
          </li>
        ))}
      </ul>
    </>
  )
}
