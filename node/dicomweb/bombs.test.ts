import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bombLimits,
  bombs,
  bombStudy,
  costOf,
  fileOfBomb,
  hostileName,
  plainBomb,
  preambles,
  type Bomb,
  type Cost,
} from '../dicom/bombs.fixture.ts'
import { multipartBody, openDicomweb, partsOf, pathOf } from './dicomweb.fixture.ts'

type Web = Awaited<ReturnType<typeof openDicomweb>>

// A connection that is kept may end in the middle of the next request.
const headers = {
  connection: 'close',
  'content-type': 'multipart/related; type="application/dicom"; boundary=edge',
}

const bodyOf = (file: Buffer) => new Uint8Array(multipartBody([file]))

async function post(web: Web, body: Uint8Array<ArrayBuffer>): Promise<number> {
  const response = await fetch(`${web.url}/studies`, { method: 'POST', headers, body })
  await response.arrayBuffer()
  return response.status
}

/** What is kept apart for its UIDs is safe too: its sender need not send it again (PS3.18 §10.5.3). */
const statusOf = { stored: [200], quarantined: [202], refused: [409] } as const

/** The ways to look at an object; none of them may be held by what it holds. */
const views = ['/metadata', '/rendered', '/frames/1']

test('no bomb that comes by STOW-RS holds, fills or ends the process, nor when it is looked at (T17)', async (t) => {
  await using web = await openDicomweb()
  let honest = 0
  const sendHonest = () => post(web, bodyOf(fileOfBomb(plainBomb(`1.2.78.${++honest}`))))
  assert.equal(await sendHonest(), 200)
  const check = (name: string, { blockMs, grownBytes }: Cost) => {
    t.diagnostic(`${name}: ${blockMs.toFixed(0)} ms, ${grownBytes >> 20} MiB`)
    assert.ok(blockMs <= bombLimits.blockMs, `${name}: ${blockMs} ms`)
    assert.ok(grownBytes <= bombLimits.grownBytes, `${name}: ${grownBytes} bytes`)
  }
  for (const bomb of bombs()) {
    await t.test(`${bomb.name} is ${bomb.fate}`, async () => {
      const body = bodyOf(fileOfBomb(bomb))
      const sent = await costOf(() => post(web, body))
      check(bomb.name, sent)
      const good: readonly number[] = statusOf[bomb.fate]
      assert.ok(good.includes(sent.result), `${sent.result}`)
      if (bomb.fate === 'stored') await look(web, bomb, check)
      assert.equal(await sendHonest(), 200)
    })
  }
})

async function look(web: Web, { name, sopUid }: Bomb, check: (name: string, cost: Cost) => void) {
  const path = await pathOf(web, sopUid)
  for (const view of views) {
    const cost = await costOf(async () => {
      const response = await web.get(`${path}${view}`)
      for await (const _ of response.body ?? []);
      return response.status
    })
    check(`${name}${view}`, cost)
    assert.ok(cost.result < 500 || cost.result === 501, `${view}: ${cost.result}`)
  }
}

test('a preamble that makes a program of a file does not come out again', async (t) => {
  await using web = await openDicomweb()
  for (const [index, [name, bytes]] of preambles.entries()) {
    await t.test(`${name} goes in and nothing comes out`, async () => {
      const bomb = plainBomb(`${bombStudy}.9.${index + 1}`)
      assert.equal(await post(web, bodyOf(fileOfBomb(bomb, bytes))), 200)
      const path = await pathOf(web, bomb.sopUid)
      const response = await web.get(path, {
        accept: 'multipart/related; type="application/dicom"; transfer-syntax=*',
      })
      const [part] = await partsOf(response)
      assert.ok(part)
      assert.ok(part.body.subarray(0, 128).every((byte) => byte === 0))
      assert.ok(part.body.subarray(-bomb.dataSet.length).equals(bomb.dataSet))
    })
  }
})

test('a name that is HTML and a formula comes out as text of JSON', async () => {
  await using web = await openDicomweb()
  const [bomb] = bombs('HTML')
  assert.ok(bomb)
  assert.equal(await post(web, bodyOf(fileOfBomb(bomb))), 200)
  const response = await web.get('/studies')
  assert.match(response.headers.get('content-type') ?? '', /^application\/dicom\+json/)
  const [row] = (await response.json()) as { '00100010'?: { Value?: { Alphabetic: string }[] } }[]
  assert.equal(row?.['00100010']?.Value?.[0]?.Alphabetic, hostileName)
})
