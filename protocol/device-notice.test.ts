import { test } from 'node:test'
import assert from 'node:assert/strict'
import { advanceDevice } from './device.ts'
import type { DeviceAction, RegisteredDevice } from './device.ts'
import {
  advanceDeviceNotice,
  newDeviceNotice,
  NoticedDevice,
  terminalDeviceNoticeStates,
} from './device-notice.ts'
import type { DeviceNotice, DeviceNoticeAction } from './device-notice.ts'
import { deviceNoticeContent, formsNow, holderOid } from './forms.fixture.ts'
import { ulid } from './ids.ts'
import { reached, walk } from './life-cycle.fixture.ts'

const id = (number: number) => ulid(number, new Uint8Array(10))
const envelope = { id: id(1), createdBy: 'mo_admin.1', createdAt: formsNow }
const incoming = { no: '512', date: '2026-11-25' }
const comments = [{ field: 'organization.address', comment: 'уточните индекс' }]

test('form № 4 is registered or returned, never refused', () => {
  const filling = 'mo_admin head_of_mo cami_operator'
  const operators = 'cami_operator cami_admin'
  const actions: DeviceNoticeAction[] = [
    { type: 'edit', content: deviceNoticeContent() },
    { type: 'edit', content: deviceNoticeContent({ startDate: '01.12.2028' }) },
    { type: 'submit' },
    { type: 'resubmit' },
    { type: 'register', number: '4-1/2026', incoming },
    { type: 'return_for_correction', comments },
    { type: 'return_for_correction', comments: [] },
    { type: 'close' },
  ]
  const seen = walk<DeviceNotice, DeviceNoticeAction>({
    start: newDeviceNotice({
      ...envelope,
      content: deviceNoticeContent(),
      organization: holderOid,
    }),
    actions,
    step: (form, action, actor, [taken, off]) =>
      advanceDeviceNotice(form, action, {
        actor,
        now: formsNow,
        facts: {
          takenRows: taken === true ? [{ row: 0, field: 'aeTitle' }] : [],
          allDecommissioned: off === true,
        },
      }),
    table: {
      'draft edit draft': filling,
      'needs_correction edit needs_correction': filling,
      'draft submit submitted': filling,
      'submitted register registered': operators,
      'submitted return_for_correction needs_correction': operators,
      'needs_correction resubmit submitted': filling,
      'registered close closed': operators,
    },
    terminal: terminalDeviceNoticeStates,
    holds(form, _, actor, [taken]) {
      if (form.status === 'registered') assert.equal(taken, false)
      if (actor.organization !== undefined) assert.equal(actor.organization, form.organization)
    },
  })
  reached(seen, 'registered', 'closed', 'needs_correction')
})

test('a device is tested before its date and sends only after it', () => {
  const own = 'mo_admin cami_operator cami_admin system'
  const checks = { echo: true, testObject: true, tags: true }
  const start: RegisteredDevice = {
    id: id(2),
    organization: holderOid,
    notice: id(1),
    startDate: '2026-12-01',
    status: 'announced',
    device: NoticedDevice.parse(deviceNoticeContent().devices[0]),
    history: [],
  }
  const seen = walk<RegisteredDevice, DeviceAction>({
    start,
    actions: [
      { type: 'test' },
      { type: 'pass', checks },
      { type: 'pass', checks: { ...checks, tags: false } },
      { type: 'first_study' },
      { type: 'pause' },
      { type: 'resume' },
      { type: 'decommission' },
    ],
    step: (form, action, actor, [late]) =>
      advanceDevice(form, action, {
        actor,
        now: late === true ? formsNow + 7 * 86_400_000 : formsNow,
        facts: null,
      }),
    table: {
      'announced test testing': own,
      'scheduled test testing': own,
      'testing pass scheduled': own,
      'scheduled first_study broadcasting': 'system',
      'broadcasting pause paused': own,
      'paused resume broadcasting': own,
      ...Object.fromEntries(
        ['announced', 'testing', 'scheduled', 'broadcasting', 'paused'].map((from) => [
          `${from} decommission decommissioned`,
          'mo_admin cami_operator cami_admin',
        ]),
      ),
    },
    terminal: ['decommissioned'],
    holds(form, _, __, [late]) {
      if (form.status === 'broadcasting') assert.equal(late, true)
    },
  })
  reached(seen, 'broadcasting', 'paused', 'decommissioned')
})
