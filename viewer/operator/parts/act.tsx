import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../../parts/icons.tsx'
import { Message } from '../../parts/message.tsx'
import { errorSentence, type Loaded, useDesk, useTexts } from '../desk.ts'

export type Act = {
  isBusy: boolean
  error: unknown
  run(deed: () => Promise<unknown>): Promise<boolean>
}

/** Something that is being done: once at a time, and what went wrong stays on the screen. */
export function useAct(): Act {
  const desk = useDesk()
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(undefined)
  return {
    isBusy,
    error,
    async run(deed) {
      if (isBusy) return false
      setBusy(true)
      setError(undefined)
      try {
        await deed()
        return true
      } catch (error) {
        desk.failed(error)
        setError(error)
        return false
      } finally {
        setBusy(false)
      }
    },
  }
}

export function Failure({ error }: { error: unknown }) {
  const texts = useTexts()
  if (error === undefined) return null
  return (
    <p class="form-error" role="alert">
      <Icon name="warning" size={18} />
      {errorSentence(error, texts)}
    </p>
  )
}

/** A page's data: a spinner until they are here, a sentence and a button when they are not coming. */
export function Loading<T>({
  of,
  children,
}: {
  of: Loaded<T>
  children: (value: T) => ComponentChildren
}) {
  const texts = useTexts()
  if (of.value !== undefined) {
    return (
      <>
        <Failure error={of.error} />
        {children(of.value)}
      </>
    )
  }
  if (of.error === undefined) {
    return (
      <div class="waiting" role="status" aria-busy="true">
        <span class="spinner large" />
      </div>
    )
  }
  return (
    <Message
      icon="warning"
      title={texts.t('loadFailed')}
      text={errorSentence(of.error, texts)}
      action={{ label: texts.t('retry'), run: () => void of.reload() }}
    />
  )
}

type DialogProps = {
  title: string
  confirm: string
  isDanger?: boolean
  isDisabled?: boolean
  onConfirm: () => Promise<unknown>
  onClose: () => void
  children: ComponentChildren
}

/** A decision with its preview: nothing happens before the button, and the dialog stays while it has not worked. */
export function DecisionDialog(props: DialogProps) {
  const { t } = useTexts()
  const act = useAct()
  const element = useRef<HTMLDialogElement>(null)
  useEffect(() => element.current?.showModal(), [])
  const submit = async (event: Event) => {
    event.preventDefault()
    if (await act.run(props.onConfirm)) props.onClose()
  }
  return (
    <dialog ref={element} class="dialog wide" aria-label={props.title} onClose={props.onClose}>
      <form class="dialog-body" onSubmit={(event) => void submit(event)}>
        <header>
          <h2>{props.title}</h2>
        </header>
        {props.children}
        <Failure error={act.error} />
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={() => element.current?.close()}>
            {t('cancel')}
          </button>
          <button
            class={props.isDanger === true ? 'button danger' : 'button primary'}
            data-testid="confirm"
            disabled={act.isBusy || props.isDisabled === true}
          >
            {act.isBusy ? t('working') : props.confirm}
          </button>
        </footer>
      </form>
    </dialog>
  )
}

type InputProps = {
  label: string
  name: string
  value: string
  onInput: (value: string) => void
  hint?: string
  isLong?: boolean
  isRequired?: boolean
}

export function Input({
  label,
  name,
  value,
  onInput,
  hint,
  isLong,
  isRequired = true,
}: InputProps) {
  const given = {
    name,
    value,
    required: isRequired,
    onInput: (event: { currentTarget: { value: string } }) => onInput(event.currentTarget.value),
  }
  return (
    <label class="field">
      <span>{label}</span>
      {isLong === true ? <textarea rows={3} {...given} /> : <input {...given} />}
      {hint !== undefined && <small>{hint}</small>}
    </label>
  )
}

type SelectProps = {
  label: string
  name: string
  value: string
  options: Record<string, string>
  onInput: (value: string) => void
}

export const Select = ({ label, name, value, options, onInput }: SelectProps) => (
  <label class="field">
    <span>{label}</span>
    <select name={name} value={value} onChange={(event) => onInput(event.currentTarget.value)}>
      {Object.entries(options).map(([key, text]) => (
        <option key={key} value={key}>
          {text}
        </option>
      ))}
    </select>
  </label>
)

const tones: { [status: string]: string } = {
  submitted: 'attention',
  under_review: 'attention',
  provisioned: 'attention',
  proposed: 'attention',
  remedy_reported: 'attention',
  bounced: 'bad',
  refused: 'bad',
  revoked: 'bad',
  restricted: 'bad',
  imposed: 'bad',
  effective: 'good',
  connected: 'good',
  completed: 'good',
  broadcasting: 'good',
  registered: 'good',
  lifted: 'good',
}

/** A state in words; its colour only repeats them. */
export const Status = ({ of, children }: { of: string; children: ComponentChildren }) => (
  <span class={`status ${tones[of] ?? ''}`}>{children}</span>
)
