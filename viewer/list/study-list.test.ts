import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { StudyFilter, StudyPage } from '../api/studies.ts'
import { everything, searchOf } from './filter.ts'
import { createStudyList } from './study-list.ts'

const own: StudyFilter = { scope: 'own', text: '', from: '', to: '', modality: '' }

function setUp(failed: (error: unknown) => boolean = () => false, clock = () => 7) {
  const asked: {
    filter: StudyFilter
    answer: (page: StudyPage) => void
    fail: (e: Error) => void
  }[] = []
  const list = createStudyList({
    search: (filter) =>
      new Promise((answer, fail) => {
        asked.push({ filter, answer, fail })
      }),
    clock,
    failed,
  })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return { list, asked, settle }
}

const page = (more: boolean): StudyPage => ({ studies: [], more })

test('the answer to an older question is dropped', async () => {
  const { list, asked, settle } = setUp()
  list.load(() => ({ ...own, text: 'ив' }), 0)
  list.load(() => ({ ...own, text: 'иванов' }), 0)
  asked[1]?.answer(page(true))
  asked[0]?.answer(page(false))
  await settle()
  assert.equal(list.page.value?.more, true)
  assert.equal(list.updatedAt.value, 7)
  assert.equal(list.isLoading.value, false)
})

test('rows stay while they are refreshed, and go when the scope changes', async () => {
  const { list, asked, settle } = setUp()
  list.load(() => own, 0)
  asked[0]?.answer(page(true))
  await settle()
  list.refresh()
  assert.equal(list.page.value?.more, true)
  assert.equal(list.isLoading.value, true)
  list.load(() => ({ ...own, scope: 'region' }), 0)
  assert.equal(list.page.value, undefined)
})

test('a failure leaves the rows and says why; the next answer clears it', async () => {
  const { list, asked, settle } = setUp()
  list.load(() => own, 0)
  asked[0]?.answer(page(true))
  await settle()
  list.refresh()
  asked[1]?.fail(new Error('broken'))
  await settle()
  assert.match(String(list.failure.value), /broken/)
  assert.equal(list.page.value?.more, true)
  list.refresh()
  asked[2]?.answer(page(false))
  await settle()
  assert.equal(list.failure.value, undefined)
})

test('rows that answer another question go when the new one fails', async () => {
  const { list, asked, settle } = setUp()
  list.load(() => ({ ...own, text: 'иванов' }), 0)
  asked[0]?.answer(page(true))
  await settle()
  list.load(() => ({ ...own, text: 'петров' }), 0)
  assert.equal(list.page.value?.more, true, 'while it is on its way they stay')
  asked[1]?.fail(new Error('broken'))
  await settle()
  assert.equal(list.page.value, undefined)
  assert.match(String(list.failure.value), /broken/)
})

test('a list of today goes on to the next day at midnight', () => {
  let now = new Date(2026, 10, 29, 23, 59).getTime()
  const { list, asked } = setUp(undefined, () => now)
  list.load((at) => searchOf({ ...everything, period: 'today' }, '', at), 0)
  now += 120_000
  list.refresh()
  assert.deepEqual(
    asked.map(({ filter }) => [filter.from, filter.to]),
    [
      ['20261129', '20261129'],
      ['20261130', '20261130'],
    ],
  )
})

test('the end of the session is not shown as an error of the list', async () => {
  const { list, asked, settle } = setUp(() => true)
  list.load(() => own, 0)
  asked[0]?.fail(new Error('401'))
  await settle()
  assert.equal(list.failure.value, undefined)
})

test('nothing is asked before there is a question', () => {
  const { list, asked } = setUp()
  list.refresh()
  assert.equal(asked.length, 0)
})
