import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RemoteMove, RemoteQuery } from '../../access/remote-archive-doors.ts'
import { openTestNode } from '../http.fixture.ts'

test('another archive is asked with what a person writes, and answers in words', async () => {
  const asked: { device: string; query: RemoteQuery }[] = []
  const move: RemoteMove = {
    id: '01HZZZZZZZZZZZZZZZZZZZZZZZ',
    device: 'central',
    study: '1.2.3' as RemoteMove['study'],
    user: 'a',
    state: 'running',
    startedAt: 1,
    counts: { remaining: 3, completed: 1, failed: 0, warning: 0 },
  }
  await using node = await openTestNode(
    {},
    {
      archives: {
        list: async () => [],
        echo: async () => undefined,
        async find(_user, device, query) {
          asked.push({ device, query })
          const row = {
            '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Иванов^Пётр' }] },
            '00080061': { vr: 'CS', Value: ['CT', 'SR'] },
            '0020000D': { vr: 'UI', Value: ['1.2.3'] },
            '00201208': { vr: 'IS', Value: [4] },
            '00081030': { vr: 'LO' },
          }
          return { matches: [row], more: true }
        },
        move: async () => move,
        moves: async () => [move],
        cancel: async () => ({ ...move, state: 'cancelled', code: 'aborted' }),
      },
    },
  )
  const headers = node.as('radiographer')
  const find = (body: unknown) => node.post('/api/archives/central/find', body, headers)
  const answer = await find({ patientName: 'иван*', date: '20260101-', modality: 'CT' })
  assert.deepEqual(await answer.json(), {
    rows: [
      { patientName: 'Иванов^Пётр', modalities: 'CT SR', study: '1.2.3', studyInstances: '4' },
    ],
    more: true,
  })
  await (await find({ study: '1.2.3', modality: 'CT' })).arrayBuffer()
  assert.deepEqual(asked, [
    {
      device: 'central',
      query: {
        level: 'STUDY',
        match: { '00100010': 'иван*', '00080020': '20260101-', '00080061': 'CT' },
      },
    },
    {
      device: 'central',
      query: { level: 'SERIES', match: { '0020000D': '1.2.3', '00080060': 'CT' } },
    },
  ])
  const begun = await node.post('/api/archives/central/moves', { study: '1.2.3' }, headers)
  assert.deepEqual(await begun.json(), move)
  const moves = await node.get('/api/moves', headers)
  assert.deepEqual(await moves.json(), { moves: [move] })
  for (const [body, status] of [
    [{ study: '1.2.*' }, 400],
    [{ name: 'x' }, 400],
  ] as const) {
    const refused = await find(body)
    assert.equal(refused.status, status)
    await refused.arrayBuffer()
  }
  const other = await node.post('/api/archives/central/echo', {}, node.as('radiologist'))
  assert.equal(other.status, 403)
  await other.arrayBuffer()
})
