import { ProtocolError } from './errors.ts'

/** A JSON value. `undefined` members are refused rather than dropped, so that a form has one meaning. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/**
 * The one serialization of a value: keys sorted by code unit, no white space (RFC 8785 for the numbers we allow:
 * safe integers and finite fractions as ECMAScript prints them).
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') {
    return JSON.stringify(value)
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new ProtocolError('bad_request', 'number is not finite')
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object') {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return `{${members.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(',')}}`
  }
  throw new ProtocolError('bad_request', `a ${typeof value} has no JSON form`)
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
