import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { dimseLimits } from '#protocol/limits.ts'
import { canonicalRequest, readAssociateRequest } from './associate-request.ts'
import { PduError } from './pdu-guard.ts'
import { ctClass, explicitLittle, goodRequest, requestPdu } from './units.fixture.ts'

const read = (pdu: Buffer) => readAssociateRequest(pdu, dimseLimits)

test('what was written is read again', () => {
  assert.deepEqual(read(requestPdu()), goodRequest)
})

test('contexts are put in ascending order for those who rely on it', () => {
  const contexts = [5, 255, 1].map((id) => ({
    id,
    abstractSyntax: `${ctClass}.${id}`,
    transferSyntaxes: [explicitLittle],
  }))
  const again = read(canonicalRequest({ ...goodRequest, contexts }))
  assert.deepEqual(
    again.contexts.map(({ id, abstractSyntax }) => [id, abstractSyntax]),
    [
      [1, `${ctClass}.1`],
      [5, `${ctClass}.5`],
      [255, `${ctClass}.255`],
    ],
  )
})

const context = { id: 1, abstractSyntax: ctClass, transferSyntaxes: [explicitLittle] }
for (const [what, contexts] of [
  ['without contexts', []],
  ['with an even context id', [{ ...context, id: 2 }]],
  ['with context id 0', [{ ...context, id: 0 }]],
  ['with one context id twice', [context, context]],
  ['with a context that has no transfer syntax', [{ ...context, transferSyntaxes: [] }]],
  [
    'with too many transfer syntaxes',
    [{ ...context, transferSyntaxes: Array.from({ length: 129 }, () => '1.2') }],
  ],
] as const) {
  test(`a request ${what} is refused`, () => {
    const pdu = canonicalRequest({
      ...goodRequest,
      contexts: contexts.map((entry) => ({
        ...entry,
        transferSyntaxes: [...entry.transferSyntaxes],
      })),
    })
    assert.throws(() => read(pdu), PduError)
  })
}

test('a request cut anywhere is refused', () => {
  const pdu = requestPdu()
  for (let length = 6; length < pdu.length; length++) {
    assert.throws(() => read(pdu.subarray(0, length)), PduError, `cut at ${length}`)
  }
})

test('a request with any damage is read or refused, nothing else', () => {
  const pdu = requestPdu()
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(pdu.length - 7), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      (changes) => {
        const damaged = Buffer.from(pdu)
        for (const [at, value] of changes) damaged[6 + at] = value
        try {
          // Whatever is accepted means the same when it is written again: that is what the library gets.
          const request = read(damaged)
          const again = read(canonicalRequest(request))
          assert.deepEqual(
            again.contexts.map(({ id }) => id),
            request.contexts.map(({ id }) => id).sort((a, b) => a - b),
          )
        } catch (error) {
          assert.ok(error instanceof PduError, String(error))
        }
      },
    ),
    { seed: 2, numRuns: 3000 },
  )
})
