import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { image } from '../dicom/data-set.fixture.ts'
import { openDicomweb } from './dicomweb.fixture.ts'

const study = '/studies/1.2.3'
const instance = `${study}/series/1.2.3.1/instances/1.2.3.4`

test('a client that leaves before the first byte ends the reading that waits for another holder', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(image({ frames: 3 }), {
    sopClass: '1.2.840.10008.5.1.4.1.1.2',
    sopUid: '1.2.3.4',
    transferSyntax: '1.2.840.10008.1.2.1',
  })
  web.open.isStalled = true
  for (const path of [study, instance, `${instance}/frames/1`]) {
    const leaving = new AbortController()
    const asked = web.get(path, { accept: '*/*' }, leaving.signal).catch(() => undefined)
    for (let i = 0; i < 100 && web.open.readers === 0; i++) await sleep(10)
    assert.equal(web.open.readers, 1, path)
    await sleep(50)
    leaving.abort()
    await asked
    for (let i = 0; i < 100 && web.open.readers > 0; i++) await sleep(10)
    assert.equal(web.open.readers, 0, path)
  }
})
