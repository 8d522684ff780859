import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api/http.ts'
import { beginFactor, confirmFactor, type NewFactor } from '../api/session.ts'
import { useApp, useTranslation } from './app-context.ts'
import { errorText } from './app-state.ts'
import { Icon } from './icons.tsx'
import { QrCode } from './qr-code.tsx'

type Step =
  | { name: 'proof' }
  | { name: 'code'; factor: NewFactor }
  | { name: 'done'; codes: string[] }

/** Password, the secret for the telephone, its first code, and the codes for the day the telephone is lost. */
export function Enrolment({ isReplacing, close }: { isReplacing: boolean; close: () => void }) {
  const [step, setStep] = useState<Step>({ name: 'proof' })
  if (step.name === 'proof') {
    const next = (factor: NewFactor) => setStep({ name: 'code', factor })
    return <Proof isReplacing={isReplacing} next={next} />
  }
  if (step.name === 'code') {
    return <FirstCode factor={step.factor} next={(codes) => setStep({ name: 'done', codes })} />
  }
  return <RecoveryCodes codes={step.codes} close={close} />
}

/** One request at a time; whoever answers 403 here has been given a wrong password or code. */
function useAttempt(wrong: 'factorWrongProof' | 'factorWrongCode') {
  const { failed } = useApp()
  const translation = useTranslation()
  const { t } = translation
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState('')
  const run = async (work: () => Promise<void>) => {
    if (isBusy) return
    setBusy(true)
    setFailure('')
    try {
      await work()
    } catch (error) {
      if (failed(error)) return
      const status = error instanceof ApiError ? error.status : 0
      if (status === 403 || status === 400) setFailure(t(wrong))
      else if (status === 409) setFailure(t('factorTooLate'))
      else setFailure(errorText(error, translation))
    } finally {
      setBusy(false)
    }
  }
  return { isBusy, failure, run }
}

type Attempt = ReturnType<typeof useAttempt>

function Proof({ isReplacing, next }: { isReplacing: boolean; next: (one: NewFactor) => void }) {
  const { t } = useTranslation()
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const attempt = useAttempt('factorWrongProof')
  const submit = async () =>
    next(await beginFactor({ password, ...(isReplacing && { code: code.trim() }) }))
  return (
    <Form attempt={attempt} submit={submit} label={t('continueLabel')}>
      <p>{t(isReplacing ? 'factorProofReplace' : 'factorProof')}</p>
      <Field name="factor-password" label={t('password')} value={password} change={setPassword} />
      {isReplacing && <Field name="code" label={t('code')} value={code} change={setCode} />}
    </Form>
  )
}

function FirstCode({ factor, next }: { factor: NewFactor; next: (codes: string[]) => void }) {
  const { t } = useTranslation()
  const [code, setCode] = useState('')
  const attempt = useAttempt('factorWrongCode')
  const { isAccountHeld } = useApp()
  const submit = async () => {
    isAccountHeld.value = true
    try {
      next(await confirmFactor(code.trim()))
    } catch (error) {
      isAccountHeld.value = false
      throw error
    }
  }
  return (
    <Form attempt={attempt} submit={submit} label={t('factorConfirm')}>
      <p>{t('factorScan')}</p>
      <div class="factor-secret">
        <QrCode text={factor.uri} label={t('factorQr')} />
        <div>
          <p class="muted">{t('factorByHand')}</p>
          <code data-testid="factor-secret">{inFours(factor.secret)}</code>
          <p>
            <a href={factor.uri}>{t('factorOnThisDevice')}</a>
          </p>
        </div>
      </div>
      <Field name="code" label={t('code')} value={code} change={setCode} />
    </Form>
  )
}

const inFours = (secret: string): string => secret.replaceAll(/(.{4})(?=.)/g, '$1 ')

function RecoveryCodes({ codes, close }: { codes: string[]; close: () => void }) {
  const { t } = useTranslation()
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => button.current?.focus(), [])
  return (
    <div data-testid="recovery-codes">
      <p class="notice">
        <Icon name="info" size={18} />
        {t('factorDone')}
      </p>
      <p>{t('factorRecovery')}</p>
      <ol class="recovery-codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <button
        ref={button}
        type="button"
        class="button primary"
        data-testid="recovery-kept"
        onClick={close}
      >
        {t('factorKept')}
      </button>
    </div>
  )
}

type FormProps = {
  attempt: Attempt
  submit: () => Promise<void>
  label: string
  children: ComponentChildren
}

function Form({ attempt, submit, label, children }: FormProps) {
  return (
    <form
      class="factor-form"
      onSubmit={(event) => {
        event.preventDefault()
        void attempt.run(submit)
      }}
    >
      {children}
      {attempt.failure !== '' && (
        <p class="form-error" role="alert" data-testid="factor-error">
          <Icon name="warning" size={18} />
          {attempt.failure}
        </p>
      )}
      <button class="button primary" data-testid="factor-next" disabled={attempt.isBusy}>
        {label}
      </button>
    </form>
  )
}

type FieldProps = { name: string; label: string; value: string; change: (text: string) => void }

function Field({ name, label, value, change }: FieldProps) {
  const input = useRef<HTMLInputElement>(null)
  const isCode = name === 'code'
  // The first field of the step, for hands that stay on the keyboard.
  useEffect(() => {
    const first = input.current?.form?.querySelector('input')
    if (first === input.current) first?.focus()
  }, [])
  return (
    <label class="field">
      <span>{label}</span>
      <input
        ref={input}
        name={name}
        {...(!isCode && { type: 'password' })}
        autocomplete={isCode ? 'one-time-code' : 'current-password'}
        autocapitalize="off"
        spellcheck={false}
        required
        maxLength={isCode ? 32 : 256}
        value={value}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
    </label>
  )
}
