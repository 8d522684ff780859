import { test } from 'node:test'
import assert from 'node:assert/strict'
import { frameOf } from './frames.ts'

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))

test('a frame in a multipart answer carries the transfer syntax of its part', () => {
  const part = 'Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.5'
  const frame = frameOf(
    bytes(`--b\r\n${part}\r\n\r\npixels\r\n--b--`),
    'multipart/related; boundary=b; transfer-syntax=1.2.3',
  )
  assert.equal(frame.transferSyntax, '1.2.840.10008.1.2.5')
  assert.deepEqual(frame.bytes, bytes('pixels'))
})

test('the whole answer names the transfer syntax where the part does not', () => {
  const frame = frameOf(
    bytes('--b\r\nContent-Type: image/jls\r\n\r\npixels\r\n--b--'),
    'multipart/related; boundary="b"; transfer-syntax="1.2.3"',
  )
  assert.equal(frame.transferSyntax, '1.2.3')
})

test('a single-part answer is the frame itself, uncompressed unless it says otherwise', () => {
  assert.deepEqual(frameOf(bytes('xy'), 'application/octet-stream'), {
    bytes: bytes('xy'),
    transferSyntax: '1.2.840.10008.1.2.1',
  })
  const stated = frameOf(bytes('xy'), 'application/octet-stream; transfer-syntax=1.2.3')
  assert.equal(stated.transferSyntax, '1.2.3')
})
