import assert from 'node:assert/strict'
import { test } from 'node:test'
import { corpusFile, noCorpus } from '../dicom/data-set.fixture.ts'
import { openDicomweb, partsOf, pathOf } from './dicomweb.fixture.ts'
import { bulkForm, syntaxOfImage } from './negotiation.ts'

const rle = '1.2.840.10008.1.2.5'
const jpegLs = '1.2.840.10008.1.2.4.80'
const htj2k = '1.2.840.10008.1.2.4.201'
const stored = (syntax: string) => ({ syntax, makes: (target: string) => target === htj2k })

test('a compressed image goes by its older names too, and is answered by the one that was asked for', () => {
  for (const [type, syntax] of [
    ['image/dicom-rle', rle],
    ['image/x-dicom-rle', rle],
    ['image/jls', jpegLs],
    ['image/x-jls', jpegLs],
    ['image/jphc', htj2k],
    ['image/jhc', htj2k],
  ] as const) {
    for (const wish of ['', `; transfer-syntax=${syntax}`, '; transfer-syntax=*']) {
      const parts = `multipart/related; type="${type}"${wish}`
      assert.deepEqual(bulkForm(parts, stored(syntax), 2), {
        isMultipart: true,
        type,
        target: syntax,
      })
      assert.equal(bulkForm(`${type}${wish}`, stored(syntax), 1).isMultipart, false)
    }
    assert.equal(syntaxOfImage(type), syntax)
  }
  assert.equal(bulkForm('image/jhc', stored(rle), 1).target, htj2k)
  assert.equal(bulkForm('image/*', stored(rle), 1).type, 'image/dicom-rle')
  const other = `image/x-dicom-rle; transfer-syntax=${jpegLs}`
  assert.throws(() => bulkForm(other, stored(jpegLs), 1), { code: 'not_acceptable' })
  assert.throws(() => bulkForm('image/x-jls', stored(rle), 1), { code: 'not_acceptable' })
})

test(
  'frames in RLE come under the name that dicomweb-client knows',
  { skip: noCorpus },
  async () => {
    await using web = await openDicomweb()
    const name = 'transfer-syntaxes/small/pydicom_SC_rgb_rle_16bit_2frame.dcm'
    const { sopUid, dataSet } = await web.keep(corpusFile(name))
    const accept = `multipart/related; type="image/x-dicom-rle"; transfer-syntax=${rle}`
    const response = await web.get(`${await pathOf(web, sopUid)}/frames/1`, { accept })
    assert.equal(response.status, 200)
    assert.match(response.headers.get('content-type') ?? '', /type="image\/x-dicom-rle"/)
    const [frame] = await partsOf(response)
    assert.equal(frame?.headers.get('content-type'), `image/x-dicom-rle; transfer-syntax=${rle}`)
    assert.ok(Buffer.from(dataSet).includes(frame?.body ?? Buffer.of(1, 2, 3)))
  },
)
