import { get, post } from './api.ts'
import { Failure, Head, Loaded } from './frame.tsx'
import { useAction, useDesk, useLoad } from './use-desk.ts'

type Job = {
  id: string
  to: string
  study: string
  state: 'waiting' | 'done' | 'failed' | 'cancelled'
  attempts: number
  dueAt: number
  code?: string
  sent: number
  warned: number
  refused: number
  commitment?: 'asked' | 'kept' | 'failed'
  changedAt: number
}

/** «Очередь отправки»: studies on their way to other archives. */
export function SendingSection() {
  const { d } = useDesk()
  const load = useLoad<{ jobs: Job[] }>((signal) => get('/api/sending', signal))
  const empty = { icon: 'inbox', title: 'sendingEmpty', text: 'sendingEmptyText' } as const
  return (
    <>
      <Head title={d('sending')} hint={d('sendingHint')} load={load} />
      <Loaded load={load} isEmpty={({ jobs }) => jobs.length === 0} empty={empty}>
        {({ jobs }) => (
          <table class="desk-table">
            <thead>
              <tr>
                <th>{d('columnTo')}</th>
                <th>{d('columnStudy')}</th>
                <th>{d('columnState')}</th>
                <th>{d('columnSent')}</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {jobs.toReversed().map((job) => (
                <JobRow key={job.id} job={job} onChanged={load.reload} />
              ))}
            </tbody>
          </table>
        )}
      </Loaded>
    </>
  )
}

function JobRow({ job, onChanged }: { job: Job; onChanged: () => void }) {
  const { d, moment, clock, notice } = useDesk()
  const action = useAction()
  const { id, to, study, state, attempts, dueAt, code, sent, warned, refused, commitment } = job
  const change = (what: 'retry' | 'cancel') =>
    action.run(async () => {
      await post(`/api/sending/${id}/${what}`)
      notice.value = { text: d(what === 'retry' ? 'jobRetried' : 'jobCancelled') }
      onChanged()
    })
  return (
    <tr>
      <td>{to}</td>
      <td>
        <span class="uid">{study}</span>
        <small>{moment(job.changedAt)}</small>
      </td>
      <td class={`state-${state}`}>
        {d(`job-${state}`)}
        {state === 'waiting' && attempts > 0 && (
          <small>{d('nextAttempt', { n: attempts + 1, at: clock(dueAt) })}</small>
        )}
        {code !== undefined && state !== 'done' && <small>{code}</small>}
      </td>
      <td>
        {d('sentCount', { n: sent })}
        {warned > 0 && (
          <small class="caution" title={d('warnedHint')}>
            {d('warnedCount', { n: warned })}
          </small>
        )}
        {refused > 0 && <small class="caution">{d('refusedCount', { n: refused })}</small>}
        {commitment !== undefined && <small>{d(`commitment-${commitment}`)}</small>}
      </td>
      <td class="acts">
        {state !== 'done' && (
          <button
            type="button"
            class="button small"
            disabled={action.isBusy}
            onClick={() => void change('retry')}
          >
            {d('jobRetry')}
          </button>
        )}
        {state === 'waiting' && (
          <button
            type="button"
            class="button small"
            disabled={action.isBusy}
            onClick={() => void change('cancel')}
          >
            {d('jobCancel')}
          </button>
        )}
        <Failure action={action} />
      </td>
    </tr>
  )
}
