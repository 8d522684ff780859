import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { firstPart, parseMediaType } from './multipart.ts'

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))

function body(content: Uint8Array, headers: readonly string[] = []): Uint8Array<ArrayBuffer> {
  const head = headers.map((line) => `${line}\r\n`).join('')
  return Uint8Array.from(
    Buffer.concat([bytes(`--b\r\n${head}\r\n`), content, bytes('\r\n--b--\r\n')]),
  )
}

test('the first part comes out byte for byte, whatever the bytes are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (content) => {
      const part = firstPart(body(content, ['Content-Type: application/octet-stream']), 'b')
      assert.deepEqual([...part.body], [...content])
      assert.equal(part.headers.get('content-type'), 'application/octet-stream')
    }),
  )
})

test('a part without headers begins after the empty line', () => {
  assert.deepEqual([...firstPart(body(bytes('xy')), 'b').body], [...bytes('xy')])
})

test('the boundary inside the content does not end it', () => {
  const content = bytes('one--b two')
  assert.deepEqual([...firstPart(body(content), 'b').body], [...content])
})

test('a stated length is believed only when the boundary follows it', () => {
  const content = bytes('abcdef')
  for (const length of ['6', '3', '600', 'x']) {
    const part = firstPart(body(content, [`Content-Length: ${length}`]), 'b')
    assert.deepEqual([...part.body], [...content], length)
  }
})

test('a body that was cut is an error', () => {
  const whole = body(bytes('abcdef'), ['Content-Type: x/y'])
  for (let length = 0; length < whole.length - 5; length++) {
    assert.throws(() => firstPart(whole.slice(0, length), 'b'), /multipart/, String(length))
  }
})

test('media types give their parameters without quotes', () => {
  const { type, parameters } = parseMediaType(
    'Multipart/Related; type="application/octet-stream; a=b"; boundary=x=y; Transfer-Syntax="1.2"',
  )
  assert.equal(type, 'multipart/related')
  assert.equal(parameters.get('type'), 'application/octet-stream; a=b')
  assert.equal(parameters.get('boundary'), 'x=y')
  assert.equal(parameters.get('transfer-syntax'), '1.2')
})
