import { test } from 'node:test'
import assert from 'node:assert/strict'
import { type Attributes, bytesOf, itemOf } from './dicom-json.ts'
import { withTables } from './tables.ts'

test('tables that metadata refers to are fetched once and put in', async () => {
  const asked: string[] = []
  const palette = { '00281201': { vr: 'OW', BulkDataURI: 'red' }, '00280010': { Value: [512] } }
  const filled = await withTables([palette, palette], (uri) => {
    asked.push(uri)
    return Promise.resolve(Uint8Array.of(1, 2, 255))
  })
  assert.deepEqual(asked, ['red'])
  for (const instance of filled) {
    assert.deepEqual(bytesOf(instance, '00281201'), Uint8Array.of(1, 2, 255))
    assert.deepEqual(instance['00280010'], { Value: [512] })
  }
})

test('tables inside LUT sequences are found too', async () => {
  const [instance] = await withTables(
    [{ '00283010': { vr: 'SQ', Value: [{ '00283006': { vr: 'OW', BulkDataURI: 'lut' } }] } }],
    () => Promise.resolve(new Uint8Array(20_000).fill(7)),
  )
  assert.equal(bytesOf(itemOf(instance, '00283010'), '00283006')?.length, 20_000)
})

test('tables of frames are found in their functional groups, and the frames keep their places', async () => {
  const voi = (BulkDataURI: string) => ({
    '00289132': { Value: [{ '00283010': { Value: [{ '00283006': { BulkDataURI } }] } }] },
  })
  const [instance] = await withTables(
    [{ '52009229': { Value: [voi('5')] }, '52009230': { Value: [null, voi('7')] } }],
    (uri) => Promise.resolve(Uint8Array.of(Number(uri))),
  )
  const tableOf = (group: Attributes | undefined) =>
    bytesOf(itemOf(itemOf(group, '00289132'), '00283010'), '00283006')
  assert.deepEqual(tableOf(itemOf(instance, '52009229')), Uint8Array.of(5))
  assert.deepEqual(tableOf(itemOf(instance, '52009230', 1)), Uint8Array.of(7))
})

test('an object whose frames refer to nothing stays as it is', async () => {
  const instance = { '52009230': { Value: [{ '00289132': { Value: [{}] } }] } }
  const [same] = await withTables([instance], () => assert.fail('nothing is to be fetched'))
  assert.equal(same, instance)
})

test('other bulk data stays where it is', async () => {
  const instance = { '7FE00010': { vr: 'OW', BulkDataURI: 'pixels' } }
  const [same] = await withTables([instance], () => assert.fail('nothing is to be fetched'))
  assert.equal(same, instance)
})
