import { test } from 'node:test'
import assert from 'node:assert/strict'
import { AuditEvent, type AuditEntry } from '#protocol/audit-event.ts'
import { silentLog } from '../log.ts'
import { createAlerts, type Alert } from './alerts.ts'

const alert: Alert = {
  callingAe: 'CT9',
  address: '10.0.0.9',
  outcome: 'denied',
  code: 'forbidden',
  detail: 'calling AE title is not registered',
}

function start(audit?: () => Promise<unknown>) {
  let now = 0
  const audited: AuditEntry[] = []
  const alerts = createAlerts({
    organization: '1.2.643.5.1.13.13.12.2.77.1',
    audit: audit ?? (async (entry) => audited.push(entry)),
    clock: () => now,
    log: silentLog,
    limits: { alertIntervalMs: 1000, alertsMax: 2 },
  })
  return { alerts, audited, pass: (ms: number) => void (now += ms) }
}

test('a scanner raises one alert in an interval, whatever title it uses', () => {
  const { alerts, audited, pass } = start()
  for (const callingAe of ['A', 'B', 'C']) alerts.raise({ ...alert, callingAe })
  assert.equal(audited.length, 1)
  pass(1000)
  alerts.raise(alert)
  assert.equal(audited.length, 2)
  assert.ok(AuditEvent.omit({ seq: true, at: true }).safeParse(audited[0]).success)
})

test('different addresses and reasons are told apart, and the memory of them is bounded', () => {
  const { alerts, audited } = start()
  for (const address of ['1', '2', '3']) alerts.raise({ ...alert, address })
  alerts.raise({ ...alert, address: '3', detail: 'called AE title is not ours' })
  assert.equal(audited.length, 4)
  alerts.raise({ ...alert, address: '1' })
  assert.equal(audited.length, 5)
})

test('an audit log that fails does not stop reception', async () => {
  const { alerts } = start(async () => {
    throw new Error('disk')
  })
  alerts.raise(alert)
  await new Promise((resolve) => setImmediate(resolve))
})
