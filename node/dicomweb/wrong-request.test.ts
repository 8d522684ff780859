import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDicomweb } from './dicomweb.fixture.ts'

test('who sends a wrong request learns what is wrong with it, and no value of it comes back', async () => {
  await using web = await openDicomweb()
  const secret = 'Иванов 1961'
  for (const [method, path, detail] of [
    ['GET', `/studies?limit=${secret}`, 'limit is one number'],
    ['GET', `/studies?StudyDate=${secret}`, 'a date or time is wrong'],
    ['GET', `/studies?includefield=${secret}`, 'a field is no attribute'],
    ['GET', '/studies/1.2/series?fuzzymatching=1961', 'fuzzymatching is true or false'],
    ['GET', `/studies/${secret}/series`, 'not a UID'],
    ['GET', `/studies/${secret}/metadata`, 'not a UID'],
    ['GET', `/wado?requestType=${secret}`, 'requestType must be WADO'],
    [
      'DELETE',
      `/studies/1.2?code=${secret}`,
      'DELETE needs a code of PS3.16 CID 7011 and a reason',
    ],
  ] as const) {
    const response = await fetch(`${web.url}${path}`, { method })
    const text = await response.text()
    assert.deepEqual(JSON.parse(text), { error: { code: 'bad_request', detail } }, path)
    assert.equal(response.status, 400)
  }
})
