import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  addressOf,
  everything,
  filterFrom,
  isNarrowed,
  type ListFilter,
  periods,
  searchOf,
} from './filter.ts'

const query = (address: string) =>
  Object.fromEntries(new URL(address, 'http://node').searchParams.entries())

const date = fc.constantFrom('', '20240131', '20231201')
const filters: fc.Arbitrary<ListFilter> = fc
  .record(
    {
      scope: fc.constantFrom('own', 'region'),
      period: fc.constantFrom(...periods),
      from: date,
      to: date,
      modality: fc.constantFrom('', 'CT', 'MG'),
      page: fc.nat(50),
    },
    { noNullPrototype: true },
  )
  .map((filter) => (filter.period === 'custom' ? filter : { ...filter, from: '', to: '' }))

test('a filter comes back from its address', () => {
  fc.assert(
    fc.property(filters, (filter) =>
      assert.deepEqual(filterFrom(query(addressOf(filter))), filter),
    ),
  )
})

test('the whole list has the plain address', () => {
  assert.equal(addressOf(everything), '/')
})

test('an address that means nothing is the whole list', () => {
  const odd = {
    scope: 'everybody',
    period: 'century',
    from: 'x',
    modality: '<script>',
    page: '-3',
  }
  assert.deepEqual(filterFrom(odd), everything)
  assert.deepEqual(filterFrom({}), everything)
})

const now = new Date(2024, 0, 31, 12).getTime()
const dates = (filter: Partial<ListFilter>) => {
  const { from, to } = searchOf({ ...everything, ...filter }, '', now)
  return [from, to]
}

test('periods are days up to today', () => {
  assert.deepEqual(dates({ period: 'today' }), ['20240131', '20240131'])
  assert.deepEqual(dates({ period: 'yesterday' }), ['20240130', '20240130'])
  assert.deepEqual(dates({ period: 'week' }), ['20240125', '20240131'])
  assert.deepEqual(dates({ period: 'month' }), ['20240102', '20240131'])
  assert.deepEqual(dates({}), ['', ''])
})

test('dates in the wrong order are put right', () => {
  const filter = { period: 'custom', from: '20240131', to: '20240101' } as const
  assert.deepEqual(dates(filter), ['20240101', '20240131'])
  assert.deepEqual(dates({ period: 'custom', from: '20240131' }), ['20240131', ''])
})

test('a scope alone does not narrow the list', () => {
  assert.equal(isNarrowed({ ...everything, scope: 'region' }, ' '), false)
  assert.equal(isNarrowed(everything, 'иванов'), true)
  assert.equal(isNarrowed({ ...everything, modality: 'CT' }, ''), true)
})
