import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ProtocolError } from '#protocol/errors.ts'
import { createNetworks } from '../apparatus.ts'
import { plainAddress, recognize } from './devices.ts'

const now = new Date('2026-03-01T12:00:00').getTime()
const device = {
  id: 'ct-1',
  aeTitle: 'CT1',
  addresses: ['192.168.7.10', '10.1.0.0/16', 'fd00::/8'],
  modality: 'CT',
  startDate: '2026-03-01',
}
const register = { devices: [device], quarantine: createNetworks(['192.168.7.0/24']), now }

test('a device is its title and its address together', () => {
  for (const address of ['192.168.7.10', '10.1.200.3', 'fd00::5']) {
    assert.deepEqual(recognize({ ae: 'CT1', address }, register), { kind: 'device', device })
  }
  assert.equal(recognize({ ae: 'ct1', address: '10.1.0.1' }, register).kind, 'refused')
  assert.equal(recognize({ ae: 'CT1', address: '10.2.0.1' }, register).kind, 'refused')
  assert.equal(recognize({ ae: 'CT1', address: '' }, register).kind, 'refused')
})

test('an unknown caller of our networks is quarantined', () => {
  assert.equal(recognize({ ae: 'CT9', address: '192.168.7.99' }, register).kind, 'quarantine')
  assert.equal(recognize({ ae: 'CT1', address: '192.168.7.99' }, register).kind, 'quarantine')
  assert.equal(recognize({ ae: 'CT9', address: '192.168.8.1' }, register).kind, 'refused')
})

test('whoever is no device in service is told apart by what does not fit', () => {
  const certified = { ...device, id: 'mr-1', aeTitle: 'MR1', certificate: 'a' }
  const all = { ...register, devices: [device, certified] }
  const why = (ae: string, address: string, at = now) => {
    const caller = recognize({ ae, address }, { ...all, now: at })
    return caller.kind === 'device' ? '' : caller.why
  }
  const before = Date.parse('2026-02-28T12:00:00+07:00')
  for (const last of [10, 99]) {
    assert.equal(why('CT9', `192.168.7.${last}`), 'unknown')
    assert.equal(why('MR1', `192.168.7.${last}`), 'elsewhere')
  }
  assert.equal(why('CT1', '192.168.7.99'), 'elsewhere')
  assert.equal(why('CT1', '192.168.7.10', before), 'early')
  assert.equal(why('CT1', '10.2.0.1', before), 'elsewhere')
})

test('a device is unknown before its first day, which begins in its own zone', () => {
  const before = { ...register, now: Date.parse('2026-02-28T23:59:59+07:00') }
  const first = { ...register, now: Date.parse('2026-03-01T00:00:00+07:00') }
  assert.equal(recognize({ ae: 'CT1', address: '192.168.7.10' }, first).kind, 'device')
  assert.equal(recognize({ ae: 'CT1', address: '192.168.7.10' }, before).kind, 'quarantine')
  assert.equal(recognize({ ae: 'CT1', address: '10.1.0.1' }, before).kind, 'refused')
})

test('IPv4 peers of a dual-stack socket are seen as IPv4', () => {
  assert.equal(plainAddress('::ffff:192.168.7.10'), '192.168.7.10')
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
  assert.equal(plainAddress('fd00::5'), 'fd00::5')
})

test('a wrong network is named in one sentence', () => {
  for (const entry of ['192.168.7.0/33', 'ward 3', '1.2.3.4/', '1.2.3.4/8/8', '1.2.3.4/-1', '']) {
    assert.throws(
      () => createNetworks([entry]),
      (error) => error instanceof ProtocolError && error.code === 'configuration_invalid',
      entry,
    )
  }
})
