import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Region } from '../api/region.ts'
import { holderOf, silentHolders } from './holder.ts'

const own = { oid: '1.1', name: 'ОКБ' }
const region: Region = {
  organization: own,
  demo: true,
  registry: { reachable: true, since: 0 },
  holders: [
    { oid: '1.2', name: 'ЦРБ № 1', reachable: true, ageMs: 1000 },
    { oid: '1.3', name: 'ЦРБ № 2', reachable: false, ageMs: 5000 },
    { oid: '1.4', name: 'ЦРБ № 3', reachable: false, ageMs: 9000 },
  ],
}
const row = (name: string, oid: string, availability: 'ONLINE' | 'OFFLINE' = 'ONLINE') => ({
  holder: { name, oid },
  availability,
})

test('a study of one’s own is known by OID, or by naming nobody', () => {
  for (const one of [row('ОКБ', '1.1'), row('', '1.1'), row('', '')]) {
    assert.equal(holderOf(one, own, region).isOwn, true)
    assert.equal(holderOf(one, own, undefined).isReachable, true)
  }
})

test('another organization is found by OID, with its whole name and the age of its list', () => {
  assert.deepEqual(holderOf(row('ЦРБ', '1.3'), own, region), {
    name: 'ЦРБ № 2',
    isOwn: false,
    isReachable: false,
    ageMs: 5000,
  })
  assert.equal(holderOf(row('', '1.2'), own, region).name, 'ЦРБ № 1')
})

test('of a holder that is not known, the row itself says whether it can be reached', () => {
  assert.equal(holderOf(row('ЦРБ № 9', '1.9', 'OFFLINE'), own, region).isReachable, false)
  assert.equal(holderOf(row('ЦРБ № 9', '1.9'), own, undefined).isReachable, true)
})

test('silent holders are listed, the longest silent first, oneself never', () => {
  assert.deepEqual(
    silentHolders(region, '1.3').map(({ oid }) => oid),
    ['1.4'],
  )
  assert.deepEqual(
    silentHolders(region, own.oid).map(({ oid }) => oid),
    ['1.4', '1.3'],
  )
  assert.deepEqual(silentHolders(undefined, own.oid), [])
})
