import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { commandField, readCommand, response, storeRequest } from './command-set.ts'
import { PduError } from './pdu-guard.ts'
import { ctClass } from './units.fixture.ts'

test('a C-STORE request is read as it was written', () => {
  const command = readCommand(storeRequest(7, ctClass, '1.2.345'))
  assert.equal(command.field, commandField.storeRequest)
  assert.equal(command.messageId, 7)
  assert.equal(command.sopClass, ctClass)
  assert.equal(command.sopUid, '1.2.345')
  assert.equal(command.hasDataSet, true)
})

test('a response carries status and comment, and no more of them than their representation allows', () => {
  const request = readCommand(storeRequest(65_535, ctClass, '1'.repeat(80)))
  const answer = readCommand(response(request, { status: 0xc001, comment: 'x'.repeat(100) }))
  assert.equal(answer.field, 0x8001)
  assert.equal(answer.messageIdRespondedTo, 65_535)
  assert.equal(answer.status, 0xc001)
  assert.equal(answer.comment, 'x'.repeat(64))
  assert.equal(answer.sopUid, '1'.repeat(64))
  assert.equal(answer.hasDataSet, false)
})

test('a command set with any damage is read or refused, nothing else', () => {
  const good = storeRequest(1, ctClass, '1.2.3')
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 8 }),
      fc.nat(good.length),
      (changes, length) => {
        const damaged = Buffer.from(good)
        for (const [at, value] of changes) damaged[at] = value
        try {
          readCommand(damaged.subarray(0, length))
        } catch (error) {
          assert.ok(error instanceof PduError, String(error))
        }
      },
    ),
    { seed: 3, numRuns: 3000 },
  )
})

for (const [what, bytes] of [
  ['empty', ''],
  ['that is no DICOM', 'GET / HTTP/1.1'],
  ['with an element of another group', '0800050002000000aaaa'],
  ['with elements out of order', '000010010200000001000000000102000000010000'],
] as const) {
  test(`a command set ${what} is refused`, () => {
    const isHex = /^[0-9a-f]+$/.test(bytes)
    assert.throws(() => readCommand(Buffer.from(bytes, isHex ? 'hex' : 'latin1')), PduError)
  })
}
