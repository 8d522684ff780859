import { put } from './api.ts'
import type { Device } from './device-form.tsx'
import { Failure } from './frame.tsx'
import { type DeskTexts, useAction, useDesk } from './use-desk.ts'

/** What the last studies of a device say of its clock; as `GET /api/devices` answers. */
export type SuggestedClock = { device: string; aheadMinutes: number; studies: number }

/** In the unit that people would use. */
export function clockText(
  aheadMinutes: number,
  { d, number }: Pick<DeskTexts, 'd' | 'number'>,
): string {
  if (aheadMinutes === 0) return d('clockRight')
  const minutes = Math.abs(aheadMinutes)
  const n =
    minutes < 2880
      ? d('minutesOff', { n: number(minutes) })
      : d('daysOff', { n: number(Math.round(minutes / 1440)) })
  return d(aheadMinutes > 0 ? 'clockAhead' : 'clockBehind', { n })
}

type Props = {
  clock: SuggestedClock
  device: Device | undefined
  onSaved: (device: Device) => void
}

/** DQ-12: several studies agree by how much a clock is wrong; the administrator confirms, or sets the clock right. */
export function ClockSuggestion({ clock, device, onSaved }: Props) {
  const { d, number } = useDesk()
  const action = useAction()
  if (device === undefined) return null
  const confirm = () =>
    action.run(async () => {
      const { aheadMinutes: clockAheadMinutes } = clock
      onSaved(
        await put(`/api/devices/${encodeURIComponent(device.id)}`, {
          ...device,
          clockAheadMinutes,
        }),
      )
    })
  return (
    <section class="desk-card" data-testid="device-clock">
      <h2>
        {d('clockTitle', { id: device.id, clock: clockText(clock.aheadMinutes, { d, number }) })}
      </h2>
      <p>{d('clockHint', { n: number(clock.studies) })}</p>
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="button"
          class="button"
          data-testid="device-clock-confirm"
          disabled={action.isBusy}
          onClick={() => void confirm()}
        >
          {d(action.isBusy ? 'saving' : 'clockConfirm')}
        </button>
      </div>
    </section>
  )
}
