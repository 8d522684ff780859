import { useEffect, useState } from 'preact/hooks'
import { offering, openInEmergency, reasonCharsMax, reasonCharsMin } from '../api/emergency.ts'
import { ApiError, isAborted } from '../api/http.ts'
import { useApp, useTranslation } from '../parts/app-context.ts'
import { errorText } from '../parts/app-state.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icons.tsx'

type Holder = { oid: string; name: string }
type EmergencyProps = { study: string; holder?: string | undefined }

/** Where a study is refused: a way in for a radiologist who answers for it, at a holder that offers one. */
export function EmergencyAccess({ study, holder }: EmergencyProps) {
  const { t } = useTranslation()
  const holders = useOffering(holder)
  const [isOpen, setOpen] = useState(false)
  if (holders.length === 0) return null
  return (
    <>
      <button type="button" class="button" data-testid="emergency" onClick={() => setOpen(true)}>
        {t('emergency')}
      </button>
      {isOpen && (
        <Dialog title={t('emergency')} onClose={() => setOpen(false)}>
          <EmergencyForm study={study} holders={holders} />
        </Dialog>
      )}
    </>
  )
}

/** Asked once, of the holder in question or of all that can be reached, and by radiologists alone. */
function useOffering(holder: string | undefined): readonly Holder[] {
  const { session, region, failed } = useApp()
  const now = session.value
  const isReader = typeof now === 'object' && now.user.roles.includes('radiologist')
  const all = region.value?.holders ?? []
  const asked = all.filter((one) => (holder === undefined ? one.reachable : one.oid === holder))
  const key = isReader ? asked.map(({ oid }) => oid).join(' ') : ''
  const [offered, setOffered] = useState<readonly string[]>([])
  useEffect(() => {
    if (key === '') return undefined
    const abort = new AbortController()
    offering(key.split(' '), abort.signal)
      .then((found) => abort.signal.aborted || setOffered(found))
      .catch((error: unknown) => isAborted(error) || failed(error))
    return () => abort.abort()
  }, [key])
  return asked.filter(({ oid }) => offered.includes(oid))
}

function EmergencyForm({ study, holders }: { study: string; holders: readonly Holder[] }) {
  const translation = useTranslation()
  const { t } = translation
  const [holder, setHolder] = useState(holders[0]?.oid ?? '')
  const [reason, setReason] = useState('')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const session = useApp().session.value
  const hasFactor = typeof session === 'object' && session.secondFactor.state === 'set'
  const { isBusy, failure, open } = useOpening(study)
  const submit = async () => {
    const factor = hasFactor && { code: code.trim() }
    await open({ holder, reason: reason.trim(), password, ...factor })
    setPassword('')
    setCode('')
  }
  const isShort = reason.trim().length < reasonCharsMin
  const isRefused = failure instanceof ApiError && failure.status === 403
  return (
    <form
      class="emergency-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (!isBusy) void submit()
      }}
    >
      <p>{t('emergencyText')}</p>
      <HolderField holders={holders} holder={holder} change={setHolder} />
      <Line
        label={t('emergencyReason')}
        name="reason"
        maxLength={reasonCharsMax}
        value={reason}
        change={setReason}
      />
      <Line
        label={t('emergencyPassword')}
        name="password"
        type="password"
        value={password}
        change={setPassword}
      />
      {hasFactor && (
        <>
          <Line label={t('code')} name="code" maxLength={32} value={code} change={setCode} />
          <p class="hint">{t('codeHint')}</p>
        </>
      )}
      {failure !== undefined && (
        <p class="form-error" role="alert">
          <Icon name="warning" size={18} />
          {isRefused ? t('emergencyRefused') : errorText(failure, translation)}
        </p>
      )}
      <button
        class="button primary wide"
        data-testid="emergency-open"
        disabled={isShort || password === '' || (hasFactor && code.trim() === '') || isBusy}
      >
        {t('emergencyOpen')}
      </button>
    </form>
  )
}

type HolderFieldProps = {
  holders: readonly Holder[]
  holder: string
  change: (oid: string) => void
}

function HolderField({ holders, holder, change }: HolderFieldProps) {
  const { t } = useTranslation()
  return (
    <label class="field">
      <span>{t('emergencyHolder')}</span>
      <select
        class="select"
        value={holder}
        onChange={({ currentTarget }) => change(currentTarget.value)}
      >
        {holders.map(({ oid, name }) => (
          <option key={oid} value={oid}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

function useOpening(study: string) {
  const { failed } = useApp()
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<unknown>(undefined)
  const open = async (request: Parameters<typeof openInEmergency>[1]) => {
    setBusy(true)
    setFailure(undefined)
    try {
      await openInEmergency(study, request)
      // The page begins anew, as for any study that may be read.
      location.reload()
    } catch (error) {
      if (!failed(error)) setFailure(error)
      setBusy(false)
    }
  }
  return { isBusy, failure, open }
}

type LineProps = {
  label: string
  name: string
  type?: 'password'
  maxLength?: number
  value: string
  change: (value: string) => void
}

const Line = ({ label, change, ...input }: LineProps) => (
  <label class="field">
    <span>{label}</span>
    <input
      {...input}
      autocomplete={input.type === 'password' ? 'current-password' : 'off'}
      onInput={({ currentTarget }) => change(currentTarget.value)}
    />
  </label>
)
