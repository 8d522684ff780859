import { z } from 'zod'
import { WrongRequest } from '#protocol/errors.ts'
import type { CorrectionDoors } from '../../access/correction-doors.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import { Device } from '../../config.ts'
import { type DeviceClocks, SuggestedClock } from '../../store/device-clocks.ts'
import type { DeviceRegister } from '../../store/device-register.ts'
import { defineRoute, type Route } from '../routes.ts'

/** The register of apparatus (form № 4). It holds from the next association on. */
export function deviceRoutes({
  devices,
  clocks,
  audit,
  corrections,
}: {
  devices: Pick<DeviceRegister, 'list' | 'get' | 'put'>
  clocks: Pick<DeviceClocks, 'suggestions'>
  audit: Pick<AuditLog, 'append'>
  corrections: Pick<CorrectionDoors, 'registered'>
}): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/devices',
      summary: 'Registered apparatus',
      access: ['mo_admin'],
      answer: z.strictObject({ devices: z.array(Device), clocks: z.array(SuggestedClock) }),
      async handle() {
        const confirmed = (id: string): number => devices.get(id)?.clockAheadMinutes ?? 0
        return { devices: [...devices.list()], clocks: clocks.suggestions(confirmed) }
      },
    }),
    defineRoute({
      method: 'put',
      path: '/api/devices/:device',
      summary: 'Register an apparatus, or change its entry',
      access: ['mo_admin'],
      params: z.strictObject({ device: Device.shape.id }),
      body: Device,
      answer: Device,
      async handle({ params, body, user }) {
        if (body.id !== params.device) throw new WrongRequest('id: is another one')
        const device = await devices.put(body)
        await audit.append({
          event: 'configuration',
          outcome: 'success',
          organization: user.organization,
          user: user.uid,
          role: user.roles[0] ?? '',
          source: user.address,
          holder: user.organization,
          detail: `registered device ${device.id} from ${device.startDate}`,
        })
        // What it sent before it was known waits in quarantine.
        await corrections.registered(user, device)
        return device
      },
    }),
  ]
}
