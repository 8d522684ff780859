import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTestArchive, searchProof, sendSlice, temporaryFolder } from './archive.fixture.ts'
import { formatKey, studyKey } from './catalog-keys.ts'
import type { StudyRow } from './catalog-rows.ts'
import { openCatalogStore } from './catalog-store.ts'

test('a catalog whose rows do not know the SOP classes is made again from the log', async () => {
  await using folder = await temporaryFolder()
  {
    await using archive = await openTestArchive(folder.path)
    await sendSlice(archive, { study: '1.1', series: '1.1.1', sop: '1.1.1.1' })
  }
  {
    await using store = await openCatalogStore(join(folder.path, 'catalog'), (error) => {
      throw error
    })
    const row = JSON.parse(String(store.get(studyKey('1.1')))) as Partial<StudyRow>
    delete row.sopClasses
    await store.write(
      new Map([
        [studyKey('1.1'), Buffer.from(JSON.stringify(row))],
        [formatKey, Buffer.from('7')],
      ]),
    )
  }
  await using archive = await openTestArchive(folder.path)
  const match = { '00080062': ['1.2.840.10008.5.1.4.1.1.2'] }
  const query = { level: 'study', match, limit: 10, offset: 0 } as const
  assert.equal((await archive.search(searchProof, query)).matches.length, 1)
})
