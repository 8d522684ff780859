import type { Device } from '../config.ts'
import type { Alerts } from './alerts.ts'
import { dicomApplicationContext, type AssociateRequest } from './associate-request.ts'
import type { Caller, Mismatch } from './devices.ts'
import type { DimseLimits } from './link.ts'
import { rejections, type Rejection } from './pdu.ts'
import type { DimseOrigin } from './services.ts'

export type Admission =
  /** `device` is absent for an unknown caller, who may store into quarantine and nothing else. */
  { ok: true; origin: DimseOrigin; device?: Device } | { ok: false; rejection: Rejection }

export type AdmissionDeps = {
  aeTitle: string
  recognize: (caller: { ae: string; address: string; certificate?: string }) => Caller
  alerts: Alerts
  limits: Pick<DimseLimits, 'peerMaximumPduBytesMin'>
}

/** PS3.5 §6.2, AE: no backslash, no control characters, something besides spaces. */
const aeTitlePattern = /^[\x20-\x5b\x5d-\x7e]{1,16}$/

/** Whether an association may be, and as whose; everything about the caller is decided here. */
export function admit(
  request: AssociateRequest,
  connection: { address: string; association: string; certificate?: string },
  { aeTitle, recognize, alerts, limits }: AdmissionDeps,
): Admission {
  const { calledAe, callingAe, maximumPduBytes } = request
  const { address, certificate } = connection
  // PS3.8 §9.3.2: only the lowest bit says version 1.
  if (request.protocolVersion % 2 === 0) return refused('protocolVersion')
  if (request.applicationContext !== dicomApplicationContext) return refused('applicationContext')
  // A maximum that leaves no room for data is an attack, one below a few KiB a mistake.
  if (maximumPduBytes !== 0 && maximumPduBytes < limits.peerMaximumPduBytesMin) {
    return refused('noReason')
  }
  const isTitle = aeTitlePattern.test(callingAe)
  const shown = certificate === undefined ? {} : { certificate }
  const caller = isTitle ? recognize({ ae: callingAe, address, ...shown }) : refusedCaller
  const alert = { callingAe: isTitle ? callingAe : '?', address, code: 'forbidden' } as const
  if (caller.kind === 'refused') {
    alerts.raise({ ...alert, outcome: 'denied', detail: `${mismatches[caller.why]}, refused` })
    return refused('callingAe')
  }
  if (calledAe !== aeTitle) {
    alerts.raise({ ...alert, outcome: 'denied', detail: 'called AE title is not ours' })
    return refused('calledAe')
  }
  if (caller.kind === 'quarantine') {
    alerts.raise({
      ...alert,
      outcome: 'success',
      detail: `${mismatches[caller.why]}, kept in quarantine`,
    })
  }
  const { association } = connection
  const origin = { kind: 'dimse', callingAe, calledAe, address, association } as const
  if (caller.kind !== 'device') return { ok: true, origin }
  const { device } = caller
  return { ok: true, origin: { ...origin, device: device.id }, device }
}

/** For who reads alerts: what is to be mended in the register, or at the device. */
const mismatches: Record<Mismatch, string> = {
  unknown: 'AE title is not registered',
  elsewhere: 'AE title of a device, but not its address or certificate',
  early: 'device before its first day',
}

const refusedCaller: Caller = { kind: 'refused', why: 'unknown' }
const refused = (reason: keyof typeof rejections): Admission => ({
  ok: false,
  rejection: rejections[reason],
})
