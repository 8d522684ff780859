import { useState } from 'preact/hooks'
import { get, type Overlay, type OverlayKind, revert } from './api.ts'
import { personText } from './fields.ts'
import { Choices, Failure, Head, Loaded } from './frame.tsx'
import { correctors, isAllowed, rejecters, studyDeskAddress } from './sections.ts'
import { type DeskKey, texts } from './texts.ts'
import { useAction, useDesk, useLoad } from './use-desk.ts'

const pageSize = 100
const filters = ['', 'correct', 'merge', 'reject', 'release'] as const

/** «Журнал исправлений»: what was changed in what is shown, and the way back. */
export function HistorySection() {
  const { d } = useDesk()
  const [kind, setKind] = useState<(typeof filters)[number]>('')
  const [limit, setLimit] = useState(pageSize)
  const query = `limit=${limit}${kind === '' ? '' : `&kind=${kind}`}`
  const load = useLoad<{ overlays: Overlay[] }>(
    (signal) => get(`/api/corrections?${query}`, signal),
    query,
  )
  const empty = { icon: 'inbox', title: 'historyEmpty', text: 'historyEmptyText' } as const
  return (
    <>
      <Head title={d('history')} hint={d('historyHint')} load={load} />
      <Choices
        options={filters.map((one) => [one, d(one === '' ? 'kindAll' : `kind${one}`)])}
        value={kind}
        change={setKind}
      />
      <Loaded load={load} isEmpty={({ overlays }) => overlays.length === 0} empty={empty}>
        {({ overlays }) => (
          <>
            <OverlayRows overlays={overlays} onChanged={load.reload} />
            {overlays.length === limit && limit < 1000 && (
              <button
                type="button"
                class="button"
                onClick={() => setLimit(Math.min(1000, limit + pageSize))}
              >
                {d('showMore')}
              </button>
            )}
          </>
        )}
      </Loaded>
    </>
  )
}

type RowsProps = { overlays: readonly Overlay[]; onChanged: () => void; isShort?: boolean }

export function OverlayRows({ overlays, onChanged, isShort }: RowsProps) {
  const people = usePeople()
  return (
    <ul class="desk-log">
      {overlays.map((overlay) => (
        <OverlayRow
          key={overlay.seq}
          overlay={overlay}
          people={people}
          onChanged={onChanged}
          isShort={isShort === true}
        />
      ))}
    </ul>
  )
}

/** Names for the ids of those who made corrections: an administrator can look them up. */
function usePeople(): ReadonlyMap<string, string> {
  const { roles } = useDesk()
  const isAdmin = roles.includes('mo_admin')
  const { data } = useLoad<{ users: { id: string; name: string }[] }>(async (signal) =>
    isAdmin ? get('/api/accounts/users', signal) : { users: [] },
  )
  return new Map(data?.users.map(({ id, name }) => [id, name]))
}

type RowProps = {
  overlay: Overlay
  people: ReadonlyMap<string, string>
  onChanged: () => void
  isShort: boolean
}

function OverlayRow({ overlay, people, onChanged, isShort }: RowProps) {
  const { d, moment } = useDesk()
  const { seq, kind, target, at, reason, basis, reverts, revertedBy } = overlay
  const who = useWho(overlay.who, people)
  return (
    <li class={revertedBy === undefined ? undefined : 'is-ended'} data-testid="overlay">
      <div>
        <p>
          <span class="muted">№ {seq}</span> <strong>{d(`kind${kind}`)}</strong>
          {reverts !== undefined && <> — {d('endsNumber', { n: reverts })}</>}
          {!isShort && target.study !== undefined && (
            <>
              {' '}
              <a href={studyDeskAddress(target.study)}>{d('columnStudy')}</a>
            </>
          )}
        </p>
        <Content overlay={overlay} />
        <small>
          {[
            moment(at),
            who,
            `«${reason}»`,
            basis !== undefined && d('basisShown', { basis }),
            revertedBy !== undefined && d('endedBy', { n: revertedBy }),
          ]
            .filter((part) => typeof part === 'string')
            .join(' · ')}
        </small>
      </div>
      <RevertButton overlay={overlay} onChanged={onChanged} />
    </li>
  )
}

function useWho(who: string, people: ReadonlyMap<string, string>): string {
  const { d, userId } = useDesk()
  if (who === userId) return d('whoYou')
  if (who.startsWith('device:')) return d('whoDevice', { device: who.slice('device:'.length) })
  return people.get(who) ?? d('whoOther', { id: who.slice(-6) })
}

function Content({ overlay: { content, target } }: { overlay: Overlay }) {
  const { d, date } = useDesk()
  const { attributes = [], survivor, code } = content ?? {}
  const shown = (tag: string, values: readonly string[]) => {
    const [value = ''] = values
    const text = tag === '00100030' ? date(value) || value : personText(value)
    return text === '' ? <em class="muted">{d('empty')}</em> : text
  }
  const codeKey = `code${code ?? ''}`
  return (
    <>
      {attributes.map(({ tag, old, new: now }) => (
        <p key={tag} class="change">
          {nameOfTag(tag, d)}: <s>{shown(tag, old)}</s> → <b>{shown(tag, now)}</b>
        </p>
      ))}
      {survivor !== undefined && (
        <p class="change">
          {target.id} {d('shownUnder', { patient: `${personText(survivor.name)} ${survivor.id}` })}
        </p>
      )}
      {isKey(codeKey) && <p class="change">{d(codeKey)}</p>}
    </>
  )
}

const isKey = (key: string): key is DeskKey => Object.hasOwn(texts, key)

function nameOfTag(tag: string, d: (key: DeskKey) => string): string {
  const key = `tag${tag}`
  return isKey(key) ? d(key) : `(${tag.slice(0, 4)},${tag.slice(4)})`
}

const reverters: Partial<Record<OverlayKind, { roles: readonly string[]; label: DeskKey }>> = {
  correct: { roles: correctors, label: 'revertIt' },
  merge: { roles: rejecters, label: 'unmergeIt' },
  reject: { roles: rejecters, label: 'restoreIt' },
  release: { roles: ['mo_admin'], label: 'revertIt' },
}

function RevertButton({ overlay, onChanged }: { overlay: Overlay; onChanged: () => void }) {
  const { d, roles, notice } = useDesk()
  const action = useAction()
  const way = reverters[overlay.kind]
  if (way === undefined || overlay.revertedBy !== undefined) return null
  if (!isAllowed(way.roles, roles)) return null
  const run = () =>
    action.run(async () => {
      await revert(overlay.seq, { reason: d('undoReason') })
      notice.value = { text: d('undone') }
      onChanged()
    })
  return (
    <div class="acts">
      <button
        type="button"
        class="button small"
        data-testid="revert"
        disabled={action.isBusy}
        onClick={() => void run()}
      >
        {d(way.label)}
      </button>
      <Failure action={action} />
    </div>
  )
}
