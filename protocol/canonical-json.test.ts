import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalJson, parseCanonicalJson } from './canonical-json.ts'

const refused = { code: 'bad_request' }
const value = fc.jsonValue({ maxDepth: 4 })

test('a value has one text: it reads back equal, and the order of members does not matter', () => {
  fc.assert(
    fc.property(value, (value) => {
      const text = canonicalJson(value)
      const read = parseCanonicalJson(text)
      assert.deepEqual(read, JSON.parse(JSON.stringify(value)))
      assert.equal(canonicalJson(reversed(read)), text)
    }),
    { seed: 1, numRuns: 1000 },
  )
})

test('a text is accepted only as the canonical one', () => {
  fc.assert(
    fc.property(value, fc.constantFrom(' ', '\n', '\t'), fc.nat(), (value, space, at) => {
      const text = canonicalJson(value)
      const spaced =
        text.slice(0, at % (text.length + 1)) + space + text.slice(at % (text.length + 1))
      let read: unknown
      try {
        read = parseCanonicalJson(spaced)
      } catch {
        return
      }
      // Only a space inside a string makes another value, which then has its own canonical text.
      assert.equal(canonicalJson(read), spaced)
      assert.notEqual(spaced, text)
      assert.match(text, /"/)
    }),
    { seed: 2, numRuns: 2000 },
  )
})

const texts: Record<string, string> = {
  'duplicate members': '{"a":1,"a":2}',
  'members out of order': '{"b":1,"a":2}',
  'a number with a needless fraction': '1.0',
  'a number with an exponent': '1e2',
  'minus zero': '-0',
  'an infinite number': '1e999',
  'an integer that no double holds': '9007199254740993',
  'an escaped letter': '"\\u0041"',
  'an escaped slash': '"\\/"',
  'an upper-case escape': '"\\u001F"',
  'a lone surrogate': '"\\ud800"',
  'a lone surrogate as a name': '{"\\ud800":1}',
  'a byte order mark': '\ufeff1',
  nothing: '',
  'two values': '1 1',
  'not JSON': 'NaN',
}
for (const [name, text] of Object.entries(texts)) {
  test(`refuses ${name}`, () => assert.throws(() => parseCanonicalJson(text), refused))
}

test('keeps members that JavaScript gives a meaning to', () => {
  const text = '{"__proto__":{"admin":true},"constructor":1,"toString":2}'
  assert.equal(canonicalJson(parseCanonicalJson(text)), text)
})

test('sorts by code unit, as RFC 8785 §3.2.3 does', () => {
  const text = '{"\\r":1,"1":2,"\u0080":3,"ö":4,"€":5,"\u{1f600}":6,"\ufb33":7}'
  assert.equal(parseCanonicalJson(text) instanceof Object, true)
})

test('refuses what has no JSON form, at any depth', () => {
  const cases = [undefined, Number.NaN, Infinity, 1n, Symbol('a'), () => 1, new Date(0), new Map()]
  for (const found of [...cases, new Uint8Array(1), [undefined], { a: undefined }, Array(2)]) {
    assert.throws(() => canonicalJson(found), refused)
  }
})

test('a bomb of brackets is refused, not a crash', () => {
  const bomb = '['.repeat(200_000) + ']'.repeat(200_000)
  assert.throws(() => parseCanonicalJson(bomb), refused)
  const objects = '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000)
  assert.throws(() => parseCanonicalJson(objects), refused)
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).reverse()
  return Object.fromEntries(members.map(([name, item]) => [name, reversed(item)]))
}
