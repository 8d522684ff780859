import { ProtocolError } from './errors.ts'
import { tokenLimits } from './limits.ts'

/** A JSON value. `undefined` members are refused rather than dropped, so that a form has one meaning. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

const refuse = (what: string): never => {
  throw new ProtocolError('bad_request', what)
}

/**
 * The one serialization of a value: keys sorted by code unit, no white space (RFC 8785 for the numbers we allow:
 * safe integers and finite fractions as ECMAScript prints them; §3.2.2.2: a lone surrogate is an error).
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0)
}

function write(value: unknown, depth: number): string {
  if (depth > tokenLimits.jsonDepthMax) refuse('nested too deep')
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return writeText(value)
  if (typeof value === 'number') {
    return Number.isFinite(value) ? JSON.stringify(value) : refuse('number is not finite')
  }
  if (Array.isArray(value)) {
    return `[${Array.from(value, (item) => write(item, depth + 1)).join(',')}]`
  }
  return typeof value === 'object'
    ? writeObject(value, depth)
    : refuse(`a ${typeof value} has no JSON form`)
}

function writeText(text: string): string {
  return text.isWellFormed() ? JSON.stringify(text) : refuse('a lone surrogate')
}

function writeObject(value: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) refuse('not a plain object')
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const texts = members.map(([key, item]) => `${writeText(key)}:${write(item, depth + 1)}`)
  return `{${texts.join(',')}}`
}

/** Parses text that must be canonical already: duplicate keys, white space and other spellings are refused. */
export function parseCanonicalJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ProtocolError('bad_request', 'not JSON', { cause })
  }
  if (canonicalJson(value) !== text) throw new ProtocolError('bad_request', 'not canonical JSON')
  return value
}
