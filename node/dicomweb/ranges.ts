import type { ByteRange } from '../archive/archive.ts'

/** What of `bytes` a `Range` header asks for (RFC 9110 §14.1.2). Several ranges at once get the whole. */
export function parseRange(header: string, bytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header.trim())
  const [, first = '', last = ''] = found ?? []
  if (found === null || (first === '' && last === '')) return 'whole'
  if (first === '') {
    const length = Math.min(Number(last), bytes)
    return length === 0 ? 'unsatisfiable' : { offset: bytes - length, length }
  }
  const offset = Number(first)
  const end = last === '' ? bytes : Math.min(Number(last) + 1, bytes)
  if (last !== '' && Number(last) < offset) return 'whole'
  return offset >= bytes ? 'unsatisfiable' : { offset, length: end - offset }
}
