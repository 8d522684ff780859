import { ApiError } from '../api/http.ts'
import { get, post, remove } from './api.ts'
import { Failure, Loaded } from './frame.tsx'
import { hasStudies } from './sections.ts'
import { type DeskKey, texts } from './texts.ts'
import {
  deskErrorText,
  type DeskTexts,
  type Load,
  useAction,
  useDesk,
  useLoad,
} from './use-desk.ts'

type Move = {
  id: string
  device: string
  study: string
  state: 'running' | 'done' | 'cancelled' | 'failed'
  code?: string
  startedAt: number
  counts: { remaining?: number; completed: number; failed: number; warning: number }
}
export type Moves = Load<{ moves: Move[] }>

const everyMs = 2000

export const useMoves = (): Moves =>
  useLoad<{ moves: Move[] }>((signal) => get('/api/moves', signal), '', everyMs)

/** What another archive said, and what to do about it. */
export function remoteErrorText(error: unknown, texts: DeskTexts): string {
  const key = `remote-${error instanceof ApiError ? error.code : ''}`
  return isKey(key) ? texts.d(key) : deskErrorText(error, texts)
}

const isKey = (key: string): key is DeskKey => Object.hasOwn(texts, key)

/** Transfers into this archive, the newest first; what has come stays, however they end. */
export function MoveList({ load }: { load: Moves }) {
  const { d } = useDesk()
  return (
    <section class="desk-card" aria-labelledby="moves">
      <h2 id="moves">{d('moves')}</h2>
      <Loaded load={load}>
        {({ moves }) =>
          moves.length === 0 ? (
            <p class="muted">{d('movesNone')}</p>
          ) : (
            <ul class="desk-log">
              {moves.map((move) => (
                <MoveRow key={move.id} move={move} onChanged={load.reload} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  )
}

function MoveRow({ move, onChanged }: { move: Move; onChanged: () => void }) {
  const desk = useDesk()
  const { d, moment, roles } = desk
  const action = useAction()
  const { id, device, study, state, code, startedAt } = move
  const stop = () =>
    action.run(async () => {
      await remove(`/api/moves/${id}`)
      onChanged()
    })
  const again = () =>
    action.run(async () => {
      await post(`/api/archives/${encodeURIComponent(device)}/moves`, { study })
      onChanged()
    })
  return (
    <li data-testid="move">
      <div>
        <p>
          <strong class={`state-${state}`}>{d(`move-${state}`)}</strong>{' '}
          <span class="muted">{d('moveOf', { name: device, at: moment(startedAt) })}</span>
        </p>
        <small class="uid">{study}</small>
        <Progress move={move} />
        {state === 'failed' && code !== undefined && (
          <p class="form-error">{remoteErrorText(new ApiError(0, code), desk)}</p>
        )}
        <Failure action={action} />
      </div>
      <div class="acts">
        {state === 'running' && (
          <button
            type="button"
            class="button small"
            data-testid="move-stop"
            disabled={action.isBusy}
            onClick={() => void stop()}
          >
            {d('mediaStop')}
          </button>
        )}
        {(state === 'failed' || state === 'cancelled') && (
          <button
            type="button"
            class="button small"
            data-testid="move-again"
            disabled={action.isBusy}
            onClick={() => void again()}
          >
            {d('moveAgain')}
          </button>
        )}
        {state === 'done' && hasStudies(roles) && (
          <a class="button small" href={`/study/${study}`}>
            {d('moveOpen')}
          </a>
        )}
      </div>
    </li>
  )
}

function Progress({ move: { state, counts } }: { move: Move }) {
  const { d } = useDesk()
  const { remaining, completed, failed, warning } = counts
  const n = completed + warning
  const m = n + failed + (remaining ?? 0)
  const isCounted = remaining !== undefined || state !== 'running'
  return (
    <>
      <p>
        {isCounted && m > 0 ? d('moveCounts', { n, m }) : d('moveCountsOnly', { n })}
        {failed > 0 && `, ${d('moveFailed', { n: failed })}`}
      </p>
      {state === 'running' && (
        <progress aria-label={d('moves')} {...(isCounted && m > 0 && { max: m, value: n })} />
      )}
    </>
  )
}
