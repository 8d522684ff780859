import { useState } from 'preact/hooks'
import { advanceDevice, type RegisteredDevice } from '#protocol/device.ts'
import { dayOf } from '#protocol/fields/dates.ts'
import type { RefusalCode } from '#protocol/life-cycle.ts'
import { post, type Session } from '../api.ts'
import { useSession, useTexts } from '../desk.ts'
import { actorOf } from '../forms/offers.ts'
import { DecisionDialog, Input, Status } from './act.tsx'

const passed = { echo: true, testObject: true, tags: true }
const tried = [
  { type: 'test' },
  { type: 'pass', checks: passed },
  { type: 'resume' },
  { type: 'pause' },
  { type: 'decommission' },
] as const
type Step = (typeof tried)[number]['type']
type Offered = { type: Step; refusal?: RefusalCode }

/** The life cycle is asked, so that screen and registry agree. */
function stepsOf(device: RegisteredDevice, session: Session): Offered[] {
  return tried.flatMap((action): Offered[] => {
    const context = { actor: actorOf(session), now: Date.now(), facts: null }
    const outcome = advanceDevice(device, action, context)
    if (outcome.ok) return [{ type: action.type }]
    if (outcome.code === 'wrong_state' || outcome.code === 'wrong_actor') return []
    return [{ type: action.type, refusal: outcome.code }]
  })
}

type Given = { devices: RegisteredDevice[]; onDone: () => Promise<void> }

/** Apparatus of an organization (form № 4): where each stands, how it is reached, and what can be done with it. */
export function Devices({ devices, onDone }: Given) {
  const { t } = useTexts()
  return (
    <section class="card" data-testid="devices">
      <h3>{t('devices')}</h3>
      {devices.length === 0 && <p class="muted">{t('devicesEmpty')}</p>}
      <ul class="plain">
        {devices.map((device) => (
          <DeviceRow key={device.id} device={device} onDone={onDone} />
        ))}
      </ul>
    </section>
  )
}

function DeviceRow({ device, onDone }: { device: RegisteredDevice; onDone: Given['onDone'] }) {
  const texts = useTexts()
  const { t } = texts
  const session = useSession()
  const [chosen, setChosen] = useState<Step | 'technical' | undefined>(undefined)
  const { status, startDate } = device
  const { model, serialNumber, aeTitle, addresses = [] } = device.device
  const isKnown = aeTitle !== undefined && addresses.length > 0
  const isAhead = startDate > dayOf(Date.now())
  const close = () => setChosen(undefined)
  return (
    <li data-testid="device" data-status={status}>
      <b>{model}</b> <Status of={status}>{t(`device_${status}`)}</Status>
      <small>
        {[
          serialNumber,
          t('deviceStart', { date: texts.date(startDate) }),
          isKnown ? `${aeTitle}@${addresses.join(', ')}` : t('deviceNoAddress'),
        ].join(' · ')}
      </small>
      {isAhead && status !== 'decommissioned' && <small>{t('deviceAhead')}</small>}
      <span class="actions">
        {stepsOf(device, session).map(({ type, refusal }) => (
          <button
            key={type}
            type="button"
            class={type === 'decommission' ? 'button small danger-quiet' : 'button small'}
            data-testid={`device-${type}`}
            disabled={refusal !== undefined}
            title={refusal === undefined ? undefined : t(`refusal_${refusal}`)}
            onClick={() => setChosen(type)}
          >
            {t(`deviceAct_${type}`)}
          </button>
        ))}
        {status !== 'decommissioned' && (
          <button
            type="button"
            class="button small"
            data-testid="device-technical"
            onClick={() => setChosen('technical')}
          >
            {t('deviceTechnical')}
          </button>
        )}
      </span>
      {chosen === 'technical' && <Technical device={device} onDone={onDone} onClose={close} />}
      {chosen !== undefined && chosen !== 'technical' && (
        <StepDialog device={device} type={chosen} onDone={onDone} onClose={close} />
      )}
    </li>
  )
}

type DialogProps = { device: RegisteredDevice; onDone: Given['onDone']; onClose: () => void }

function StepDialog({ device, type, onDone, onClose }: DialogProps & { type: Step }) {
  const { t } = useTexts()
  const [checks, setChecks] = useState({ echo: false, testObject: false, tags: false })
  const names = Object.keys(passed) as (keyof typeof checks)[]
  const isChecked = names.every((name) => checks[name])
  return (
    <DecisionDialog
      title={`${t(`deviceAct_${type}`)}: ${device.device.model}`}
      confirm={t(`deviceAct_${type}`)}
      isDanger={type === 'decommission'}
      isDisabled={type === 'pass' && !isChecked}
      onClose={onClose}
      onConfirm={async () => {
        await post(`/api/devices/${device.id}/actions`, {
          type,
          ...(type === 'pass' && { checks }),
        })
        await onDone()
      }}
    >
      {type === 'pass' &&
        names.map((name) => (
          <label key={name} class="check">
            <input
              type="checkbox"
              name={name}
              checked={checks[name]}
              onChange={({ currentTarget }) =>
                setChecks({ ...checks, [name]: currentTarget.checked })
              }
            />
            <span>{t(`deviceCheck_${name}`)}</span>
          </label>
        ))}
      <section class="preview" data-testid="preview">
        <h3>{t('consequences')}</h3>
        <p>{t(`deviceText_${type}`)}</p>
      </section>
    </DecisionDialog>
  )
}

/** What the node must know to let it in; it is told at once. */
function Technical({ device, onDone, onClose }: DialogProps) {
  const { t } = useTexts()
  const [aeTitle, setAeTitle] = useState(device.device.aeTitle ?? '')
  const [addresses, setAddresses] = useState((device.device.addresses ?? []).join(', '))
  return (
    <DecisionDialog
      title={`${t('deviceTechnical')}: ${device.device.model}`}
      confirm={t('save')}
      onClose={onClose}
      onConfirm={async () => {
        await post(`/api/devices/${device.id}/technical`, {
          aeTitle: aeTitle.trim(),
          addresses: addresses.split(/[\s,;]+/).filter((one) => one !== ''),
        })
        await onDone()
      }}
    >
      <div class="pair">
        <Input name="aeTitle" label="AE title" value={aeTitle} onInput={setAeTitle} />
        <Input
          name="addresses"
          label={t('deviceAddresses')}
          value={addresses}
          onInput={setAddresses}
        />
      </div>
      <section class="preview" data-testid="preview">
        <h3>{t('consequences')}</h3>
        <p>{t('deviceText_technical')}</p>
      </section>
    </DecisionDialog>
  )
}
