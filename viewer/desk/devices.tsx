import { useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { deviceTypes } from '#protocol/device-type.ts'
import { get } from './api.ts'
import { ClockSuggestion, clockText, type SuggestedClock } from './device-clock.tsx'
import { type Device, DeviceForm, newDevice } from './device-form.tsx'
import { Head, Loaded } from './frame.tsx'
import { sectionAddress } from './sections.ts'
import { useDesk, useLoad } from './use-desk.ts'

/** «Аппараты»: whose images are taken in, and from when. */
export function DevicesSection() {
  const { d, notice } = useDesk()
  const { query, route } = useLocation()
  const load = useLoad<{ devices: Device[]; clocks: SuggestedClock[] }>((signal) =>
    get('/api/devices', signal),
  )
  const { ae = '', address = '' } = query
  // From quarantine: the stranger's title and address are known already.
  const [edited, setEdited] = useState<Device | undefined>(
    ae === '' ? undefined : newDevice({ aeTitle: ae, address }),
  )
  const close = () => {
    setEdited(undefined)
    if (ae !== '') route(sectionAddress('devices'), true)
  }
  const saved = ({ id }: Device) => {
    notice.value = { text: d('deviceSaved', { id }) }
    close()
    load.reload()
  }
  const empty = { icon: 'building', title: 'devicesEmpty', text: 'devicesEmptyText' } as const
  const isNew = edited?.id === ''
  return (
    <>
      <Head title={d('devices')} hint={d('devicesHint')} load={load}>
        {edited === undefined && (
          <button
            type="button"
            class="button primary"
            data-testid="device-new"
            onClick={() => setEdited(newDevice({}))}
          >
            {d('deviceNew')}
          </button>
        )}
      </Head>
      {edited !== undefined && (
        <DeviceForm
          key={edited.id}
          device={edited}
          title={isNew ? d('deviceNew') : d('deviceChange', { id: edited.id })}
          taken={isNew ? (load.data?.devices.map(({ id }) => id) ?? []) : []}
          onSaved={saved}
          close={close}
        />
      )}
      <Loaded
        load={load}
        isEmpty={({ devices }) => devices.length === 0 && edited === undefined}
        empty={empty}
      >
        {({ devices, clocks }) => (
          <>
            {clocks.map((clock) => (
              <ClockSuggestion
                key={clock.device}
                clock={clock}
                device={devices.find(({ id }) => id === clock.device)}
                onSaved={saved}
              />
            ))}
            <DeviceTable devices={devices} edit={setEdited} />
          </>
        )}
      </Loaded>
    </>
  )
}

type TableProps = { devices: readonly Device[]; edit: (device: Device) => void }

function DeviceTable({ devices, edit }: TableProps) {
  const { d, date, language, number } = useDesk()
  if (devices.length === 0) return null
  return (
    <table class="desk-table">
      <thead>
        <tr>
          <th>{d('deviceId')}</th>
          <th>{d('deviceAe')}</th>
          <th>{d('deviceAddresses')}</th>
          <th>{d('deviceStart')}</th>
          <th>{d('deviceServices')}</th>
          <th />
        </tr>
      </thead>
      <tbody>
        {devices.map((device) => (
          <tr key={device.id} data-testid="device-row">
            <td>
              {device.id}
              <small>
                {device.type === undefined || language !== 'ru'
                  ? device.modality
                  : deviceTypes[device.type].name}
              </small>
            </td>
            <td>{device.aeTitle}</td>
            <td>{device.addresses.join(', ')}</td>
            <td class="number">
              {date(device.startDate.replaceAll('-', ''))}
              {device.clockAheadMinutes !== undefined && (
                <small>{clockText(device.clockAheadMinutes, { d, number })}</small>
              )}
            </td>
            <td>
              <small>
                {(device.services ?? []).map((name) => d(`service-${name}`)).join(', ') ||
                  d('deviceTypeNone')}
              </small>
            </td>
            <td class="acts">
              <button type="button" class="button small" onClick={() => edit(device)}>
                {d('edit')}
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
