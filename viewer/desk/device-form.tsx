import { useState } from 'preact/hooks'
import { type DeviceType, deviceTypes } from '#protocol/device-type.ts'
import { dicomDateOf } from '../i18n/i18n.ts'
import { put } from './api.ts'
import { encodings } from './encodings.tsx'
import { isoDateOf } from './fields.ts'
import { Failure, Field } from './frame.tsx'
import { useAction, useDesk } from './use-desk.ts'

const services = ['store', 'query', 'retrieve', 'worklist', 'performed-step', 'commitment'] as const
type Service = (typeof services)[number]

/** An entry of the register, as `PUT /api/devices/:device` takes it; what this form does not show stays. */
export type Device = {
  id: string
  aeTitle: string
  addresses: string[]
  modality: string
  startDate: string
  host?: string
  port?: number
  services?: Service[]
  /** Empty in the form: found out from what arrives. */
  textEncoding?: string
  type?: DeviceType
  clockAheadMinutes?: number
}

export const newDevice = ({ aeTitle = '', address = '' }): Device => ({
  id: '',
  aeTitle,
  addresses: address === '' ? [] : [address],
  modality: '',
  startDate: isoDateOf(dicomDateOf(Date.now())),
  services: ['store', 'worklist'],
})

type Props = {
  device: Device
  title: string
  /** Ids that a new device must not have: it would replace another one. */
  taken: readonly string[]
  onSaved: (device: Device) => void
  close: () => void
}

type Draft = Omit<Device, 'addresses' | 'port' | 'host'> & {
  addresses: string
  host: string
  port: string
}

const draftOf = ({ addresses, host = '', port, ...device }: Device): Draft => ({
  ...device,
  addresses: addresses.join(', '),
  host,
  port: port === undefined ? '' : String(port),
})

const deviceOf = ({ addresses, host, port, id, textEncoding = '', ...draft }: Draft): Device => ({
  ...draft,
  // The code of the form, or the title when nothing was written.
  id: id.trim() || draft.aeTitle.trim().toLowerCase(),
  aeTitle: draft.aeTitle.trim(),
  addresses: addresses.split(/[\s,;]+/).filter(Boolean),
  ...(textEncoding !== '' && { textEncoding }),
  ...(host.trim() !== '' && { host: host.trim() }),
  ...(port.trim() !== '' && { port: Number(port) }),
})

export function DeviceForm({ device, title, taken, onSaved, close }: Props) {
  const { d } = useDesk()
  const action = useAction()
  const [draft, setDraft] = useState(() => draftOf(device))
  const given = deviceOf(draft)
  const isReady = given.aeTitle !== '' && given.addresses.length > 0 && !taken.includes(given.id)
  const save = () =>
    action.run(async () => {
      onSaved(await put<Device>(`/api/devices/${encodeURIComponent(given.id)}`, given))
    })
  return (
    <form
      class="desk-card"
      data-testid="device-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady) void save()
      }}
    >
      <h2>{title}</h2>
      <div class="desk-form">
        <Inputs
          draft={draft}
          isNew={device.id === ''}
          change={(part) => setDraft({ ...draft, ...part })}
        />
        <Services
          chosen={draft.services ?? []}
          change={(services) => setDraft({ ...draft, services })}
        />
      </div>
      <Failure action={action} />
      <div class="desk-acts">
        <button type="submit" class="button primary" disabled={!isReady || action.isBusy}>
          {d(action.isBusy ? 'saving' : 'save')}
        </button>
        <button type="button" class="button quiet" onClick={close}>
          {d('cancel')}
        </button>
      </div>
    </form>
  )
}

type InputsProps = { draft: Draft; isNew: boolean; change: (part: Partial<Draft>) => void }

function Inputs({ draft, isNew, change }: InputsProps) {
  const { d } = useDesk()
  const text = (name: 'aeTitle' | 'addresses' | 'host' | 'port' | 'modality', max: number) => (
    <input
      class="text"
      data-testid={`device-${name}`}
      maxLength={max}
      spellcheck={false}
      value={draft[name]}
      onInput={({ currentTarget }) => change({ [name]: currentTarget.value })}
    />
  )
  return (
    <>
      <Field label={d('deviceAe')}>{text('aeTitle', 16)}</Field>
      <Field label={d('deviceAddresses')} hint={d('deviceAddressesHint')}>
        {text('addresses', 500)}
      </Field>
      <Field label={d('deviceId')} hint={d('deviceIdHint')}>
        <input
          class="text"
          maxLength={64}
          disabled={!isNew}
          placeholder={draft.aeTitle.toLowerCase()}
          value={draft.id}
          onInput={({ currentTarget }) => change({ id: currentTarget.value })}
        />
      </Field>
      <TypeInput draft={draft} change={change} />
      <Field label={d('deviceModality')}>{text('modality', 16)}</Field>
      <Field label={d('deviceStart')} hint={d('deviceStartHint')}>
        <input
          class="text"
          type="date"
          required
          value={draft.startDate}
          onInput={({ currentTarget }) => change({ startDate: currentTarget.value })}
        />
      </Field>
      <Field label={d('deviceHost')} hint={d('deviceHostHint')}>
        {text('host', 253)}
      </Field>
      <Field label={d('devicePort')}>{text('port', 5)}</Field>
      <Field label={d('deviceEncoding')}>
        <select
          class="text"
          value={draft.textEncoding ?? ''}
          onChange={({ currentTarget }) => change({ textEncoding: currentTarget.value })}
        >
          <option value="">{d('deviceEncodingAuto')}</option>
          {encodings.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </Field>
    </>
  )
}

/** Choosing a type fills in the modality, which nobody should have to know by heart. */
function TypeInput({ draft, change }: Omit<InputsProps, 'isNew'>) {
  const { d, language } = useDesk()
  const names = Object.keys(deviceTypes) as DeviceType[]
  return (
    <Field label={d('deviceType')}>
      <select
        class="text"
        data-testid="device-type"
        value={draft.type ?? ''}
        onChange={({ currentTarget: { value } }) => {
          const type = names.find((name) => name === value)
          if (type !== undefined) change({ type, modality: deviceTypes[type].modalities[0] })
        }}
      >
        {draft.type === undefined && <option value="">{d('deviceTypeNone')}</option>}
        {names.map((name) => (
          <option key={name} value={name}>
            {language === 'ru'
              ? deviceTypes[name].name
              : `${name} (${deviceTypes[name].modalities.join(', ')})`}
          </option>
        ))}
      </select>
    </Field>
  )
}

type ServicesProps = { chosen: readonly Service[]; change: (services: Service[]) => void }

function Services({ chosen, change }: ServicesProps) {
  const { d } = useDesk()
  return (
    <fieldset class="desk-checks wide">
      <legend>{d('deviceServices')}</legend>
      {services.map((name) => (
        <label key={name} class="check">
          <input
            type="checkbox"
            checked={chosen.includes(name)}
            onChange={({ currentTarget }) =>
              change(
                services.filter((one) =>
                  one === name ? currentTarget.checked : chosen.includes(one),
                ),
              )
            }
          />
          {d(`service-${name}`)}
        </label>
      ))}
    </fieldset>
  )
}
