import { useState } from 'preact/hooks'
import { useApp } from '../parts/app-context.ts'
import { get, post, put } from './api.ts'
import { Failure, Field, Head, Loaded, Warning } from './frame.tsx'
import { useAction, useDesk, useLoad } from './use-desk.ts'

type Emergency = {
  id: string
  user: string
  organization: string
  position: string
  department: string
  study: string
  reason: string
  startedAt: number
  until: number
  isOver: boolean
  dueAt: number
  isOverdue: boolean
  review?: { at: number; by: string; comment: string; isJustified: boolean }
}
type Emergencies = { offered: boolean; emergencies: Emergency[] }

/** What is under way must be seen by whoever is on duty, without asking. */
const everyMs = 30_000

/** «Экстренный доступ»: what others opened of ours without a grant, and whether it was right. */
export function EmergenciesSection() {
  const { d } = useDesk()
  const load = useLoad<Emergencies>((signal) => get('/api/emergencies', signal), '', everyMs)
  return (
    <>
      <Head title={d('emergencies')} hint={d('emergenciesHint')} load={load} />
      <Loaded load={load}>
        {({ offered, emergencies }) => (
          <div class="desk-stack">
            <Offer key={String(offered)} offered={offered} onChanged={load.reload} />
            {emergencies.length === 0 && <p class="muted">{d('emergenciesEmptyText')}</p>}
            {emergencies.map((one) => (
              <Row key={one.id} one={one} onChanged={load.reload} />
            ))}
          </div>
        )}
      </Loaded>
    </>
  )
}

function Offer({ offered, onChanged }: { offered: boolean; onChanged: () => void }) {
  const { d, t, roles } = useDesk()
  const action = useAction()
  const [isAsking, setAsking] = useState(false)
  const [password, setPassword] = useState('')
  const label = d(offered ? 'emergencyTurnOff' : 'emergencyTurnOn')
  const change = () =>
    action.run(async () => {
      await put('/api/emergencies/policy', { offered: !offered, password })
      onChanged()
    })
  return (
    <section class="desk-card" data-testid="emergency-offer">
      <div class="desk-card-head">
        <p>{d(offered ? 'emergencyOffered' : 'emergencyNotOffered')}</p>
        {roles.includes('head_of_mo') && !isAsking && (
          <button
            type="button"
            class="button"
            data-testid="emergency-switch"
            onClick={() => setAsking(true)}
          >
            {label}
          </button>
        )}
      </div>
      {isAsking && (
        <form
          class="desk-form"
          onSubmit={(event) => {
            event.preventDefault()
            void change()
          }}
        >
          <Field label={d('emergencyPassword')}>
            <input
              class="text"
              type="password"
              name="password"
              autocomplete="current-password"
              value={password}
              onInput={({ currentTarget }) => setPassword(currentTarget.value)}
            />
          </Field>
          <Failure action={action} />
          <div class="desk-acts">
            <button
              type="submit"
              class="button primary"
              data-testid="emergency-confirm"
              disabled={password === '' || action.isBusy}
            >
              {label}
            </button>
            <button type="button" class="button quiet" onClick={() => setAsking(false)}>
              {t('close')}
            </button>
          </div>
        </form>
      )}
    </section>
  )
}

type RowProps = { one: Emergency; onChanged: () => void }

function Row({ one, onChanged }: RowProps) {
  const { d, moment } = useDesk()
  const { region } = useApp()
  const action = useAction()
  const [isReviewing, setReviewing] = useState(false)
  const name = region.value?.holders.find(({ oid }) => oid === one.organization)?.name
  const stop = () =>
    action.run(async () => {
      await post(`/api/emergencies/${one.id}/stop`)
      onChanged()
    })
  return (
    <section class="desk-card" data-testid="emergency">
      <div class="desk-card-head">
        <div>
          <h2>{name ?? one.organization}</h2>
          <p class="muted">
            {[one.position, one.department].filter(Boolean).join(', ')} · {moment(one.startedAt)}
          </p>
        </div>
        <div class="desk-head-end">
          {!one.isOver && (
            <button
              type="button"
              class="button"
              data-testid="emergency-stop"
              disabled={action.isBusy}
              onClick={() => void stop()}
            >
              {d('emergencyStop')}
            </button>
          )}
          {one.isOver && one.review === undefined && !isReviewing && (
            <button
              type="button"
              class="button primary"
              data-testid="emergency-review"
              onClick={() => setReviewing(true)}
            >
              {d('emergencyReview')}
            </button>
          )}
        </div>
      </div>
      <p>
        {d('emergencyReason')}: {one.reason}
      </p>
      <small class="uid">{one.study}</small>
      <State one={one} />
      <Failure action={action} />
      {isReviewing && one.review === undefined && (
        <Review one={one} onChanged={onChanged} close={() => setReviewing(false)} />
      )}
    </section>
  )
}

function State({ one }: { one: Emergency }) {
  const { d, moment } = useDesk()
  const { review, isOver, isOverdue } = one
  if (review !== undefined) {
    return (
      <p class="muted">
        {d(review.isJustified ? 'emergencyJustified' : 'emergencyUnjustified')}: {review.comment}
      </p>
    )
  }
  if (!isOver) return <Warning>{d('emergencyOpen', { at: moment(one.until) })}</Warning>
  if (isOverdue) return <Warning>{d('emergencyOverdue', { at: moment(one.dueAt) })}</Warning>
  return <p class="muted">{d('emergencyWaits', { at: moment(one.dueAt) })}</p>
}

function Review({ one, onChanged, close }: RowProps & { close: () => void }) {
  const { d, t } = useDesk()
  const action = useAction()
  const [comment, setComment] = useState('')
  const say = (isJustified: boolean) =>
    action.run(async () => {
      await post(`/api/emergencies/${one.id}/review`, { comment: comment.trim(), isJustified })
      onChanged()
    })
  const answer = (isJustified: boolean) => (
    <button
      type="button"
      class="button"
      data-testid={isJustified ? 'emergency-justified' : 'emergency-unjustified'}
      disabled={comment.trim().length < 3 || action.isBusy}
      onClick={() => void say(isJustified)}
    >
      {d(isJustified ? 'emergencyAsJustified' : 'emergencyAsUnjustified')}
    </button>
  )
  return (
    <div class="desk-form">
      <Field label={d('emergencyComment')} isWide>
        <input
          class="text"
          name="comment"
          maxLength={1000}
          value={comment}
          onInput={({ currentTarget }) => setComment(currentTarget.value)}
        />
      </Field>
      <Failure action={action} />
      <div class="desk-acts">
        {answer(true)}
        {answer(false)}
        <button type="button" class="button quiet" onClick={close}>
          {t('close')}
        </button>
      </div>
    </div>
  )
}
