import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Icon, type IconName } from '../parts/icons.tsx'
import { Message } from '../parts/message.tsx'
import { revert, type Why } from './api.ts'
import type { DeskKey } from './texts.ts'
import { type Action, deskErrorText, type Load, useAction, useDesk } from './use-desk.ts'

type HeadProps = {
  title: string
  hint?: string
  load?: Pick<Load<unknown>, 'isLoading' | 'reload'>
  children?: ComponentChildren
}

/** What a section is, in a sentence, and what can be done about all of it. */
export function Head({ title, hint, load, children }: HeadProps) {
  const { t } = useDesk()
  return (
    <header class="desk-head">
      <div>
        <h1>{title}</h1>
        {hint !== undefined && <p class="muted">{hint}</p>}
      </div>
      <div class="desk-head-end">
        {children}
        {load !== undefined && (
          <button
            type="button"
            class={load.isLoading ? 'icon-button is-turning' : 'icon-button'}
            title={t('refresh')}
            aria-label={t('refresh')}
            onClick={load.reload}
          >
            <Icon name="refresh" />
          </button>
        )}
      </div>
    </header>
  )
}

type LoadedProps<T> = {
  load: Load<T>
  isEmpty?: (data: T) => boolean
  empty?: { icon: IconName; title: DeskKey; text: DeskKey }
  children: (data: T) => ComponentChildren
}

/** Waiting, broken, empty, or what there is. What is old stays, and says that it is old. */
export function Loaded<T>({ load, isEmpty, empty, children }: LoadedProps<T>) {
  const texts = useDesk()
  const { data, failure } = load
  if (data === undefined) {
    if (failure === undefined) return <Waiting />
    const action = { label: texts.t('retry'), run: load.reload }
    const text = deskErrorText(failure, texts)
    return <Message icon="warning" title={texts.t('listFailed')} text={text} action={action} />
  }
  return (
    <>
      {failure !== undefined && <Warning>{texts.t('serverDown')}</Warning>}
      {empty !== undefined && isEmpty?.(data) === true ? (
        <Message icon={empty.icon} title={texts.d(empty.title)} text={texts.d(empty.text)} />
      ) : (
        children(data)
      )}
    </>
  )
}

function Waiting() {
  const { t } = useDesk()
  return (
    <div class="skeleton" role="status" aria-label={t('loadingList')}>
      {Array.from({ length: 6 }, (_, row) => (
        <i key={row} />
      ))}
    </div>
  )
}

export const Warning = ({ children }: { children: ComponentChildren }) => (
  <p class="notice warning" role="status">
    <Icon name="warning" size={18} />
    <span>{children}</span>
  </p>
)

export function Failure({ action }: { action: Pick<Action, 'failure'> }) {
  const texts = useDesk()
  if (action.failure === undefined) return null
  return (
    <p class="form-error" role="alert">
      <Icon name="warning" size={18} />
      {deskErrorText(action.failure, texts)}
    </p>
  )
}

type FieldProps = { label: string; hint?: string; isWide?: boolean; children: ComponentChildren }

export const Field = ({ label, hint, isWide, children }: FieldProps) => (
  <label class={isWide === true ? 'desk-field wide' : 'desk-field'}>
    <span>{label}</span>
    {children}
    {hint !== undefined && <small>{hint}</small>}
  </label>
)

type ChoicesProps<T extends string> = {
  options: readonly (readonly [value: T, label: string])[]
  value: T | undefined
  change: (value: T) => void
  isWide?: boolean
}

/** One of a few. */
export const Choices = <T extends string>({ options, value, change, isWide }: ChoicesProps<T>) => (
  <div class={isWide === true ? 'desk-choices wide' : 'desk-choices'}>
    {options.map(([one, label]) => (
      <button
        key={one}
        type="button"
        class="choice"
        aria-pressed={one === value}
        onClick={() => change(one)}
      >
        {label}
      </button>
    ))}
  </div>
)

/** The reason of a change: one of the usual ones with a click, or one's own words; and the document behind it. */
export function WhyFields({
  why,
  change,
  usual,
}: {
  why: Why
  change: (why: Why) => void
  usual: readonly DeskKey[]
}) {
  const { d } = useDesk()
  return (
    <>
      <div class="desk-field wide">
        <span id="reason-label">{d('reason')}</span>
        <Choices
          options={usual.map((key) => [d(key), d(key)])}
          value={why.reason}
          change={(reason) => change({ ...why, reason })}
        />
        <input
          class="text"
          aria-labelledby="reason-label"
          data-testid="reason"
          maxLength={500}
          placeholder={d('reasonOwn')}
          value={why.reason}
          onInput={({ currentTarget }) => change({ ...why, reason: currentTarget.value })}
        />
      </div>
      <Field label={d('basis')} isWide>
        <input
          class="text"
          maxLength={500}
          placeholder={d('basisHint')}
          value={why.basis ?? ''}
          onInput={({ currentTarget }) => change({ ...why, basis: currentTarget.value })}
        />
      </Field>
    </>
  )
}

export const whyGiven = ({ reason, basis = '' }: Why): Why => ({
  reason: reason.trim(),
  ...(basis.trim() !== '' && { basis: basis.trim() }),
})

/** A reason that is asked for before something is done, beside the button that does it. */
export function useWhy(): [Why, (why: Why) => void] {
  return useState<Why>({ reason: '' })
}

/** What was just done, and how to take it back; it stays until the next thing is done or somebody closes it. */
export function NoticeBar() {
  const { notice, d, t } = useDesk()
  const action = useAction()
  const shown = notice.value
  if (shown === undefined) return null
  const { undo = [], onUndone } = shown
  const takeBack = () =>
    action.run(async () => {
      // The last first: what came later may rest on what came before.
      for (const seq of undo.toReversed()) await revert(seq, { reason: d('undoReason') })
      notice.value = { text: d('undone') }
      onUndone?.()
    })
  return (
    <div class="desk-notice" role="status" data-testid="notice">
      <span>{shown.text}</span>
      <Failure action={action} />
      {undo.length > 0 && (
        <button
          type="button"
          class="button small"
          data-testid="undo"
          disabled={action.isBusy}
          onClick={() => void takeBack()}
        >
          {d('undo')}
        </button>
      )}
      <button
        type="button"
        class="icon-button small"
        aria-label={t('close')}
        onClick={() => (notice.value = undefined)}
      >
        <Icon name="clear" size={16} />
      </button>
    </div>
  )
}
