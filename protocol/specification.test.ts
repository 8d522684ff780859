import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { expectedAnswer, goodEmergency, goodWorld, situations } from './authorize-worlds.fixture.ts'
import { CONTROL_PROTOCOL, FETCH_PROTOCOL, events, methods } from './control.ts'
import { errorCodes } from './errors.ts'
import { fetchFrameType } from './fetch.ts'
import { createSamples } from './tokens.fixture.ts'

/** The specification is prose, but what it must name is known. */
const folder = import.meta.dirname
const text = readFileSync(path.join(folder, 'README.md'), 'utf8')
const quoted = new Set(Array.from(text.matchAll(/`([^`\n]+)`/g), ([, name = '']) => name))
const names = (found: Iterable<string>, what: string) => {
  for (const name of found) assert.ok(quoted.has(name), `${what} ${name} is not specified`)
}

test('the specification names every token type, stream, method, event and frame', async () => {
  names(
    (await createSamples()).map(({ typ }) => typ),
    'token',
  )
  names([CONTROL_PROTOCOL, FETCH_PROTOCOL], 'stream')
  names(Object.keys(methods), 'method')
  names(Object.keys(events), 'event')
  for (const [name, type] of Object.entries(fetchFrameType)) {
    assert.ok(text.includes(`| ${type} \`${name}\` |`), `frame ${name}`)
  }
})

const tables = [
  { name: 'the decision', good: goodWorld, from: '## 6.', to: '### 6.1' },
  { name: 'an emergency', good: goodEmergency, from: '### 6.1', to: '## 7.' },
]
for (const { name, good, from, to } of tables) {
  test(`the table of ${name} has every refusal, in the order in which they come`, () => {
    const table = text.slice(text.indexOf(from), text.indexOf(to))
    const rows = table.split('\n').filter((line) => /^\| \d+ \|/.test(line))
    const own = rows.flatMap((row) =>
      Array.from((row.split('|').at(-2) ?? '').matchAll(/`(\w+)`/g), ([, code = '']) => code),
    )
    // An emergency begins with the first five rows of every request.
    const order = good === goodWorld ? own : [...peerOrder, ...own]
    const known: readonly string[] = errorCodes
    for (const code of order) assert.ok(known.includes(code), code)
    const worlds = Object.entries(situations)
      .filter(([situation]) => situation !== 'purpose' || good === goodWorld)
      .flatMap(([situation, words]) =>
        words.filter((word) => word !== 'an emergency').map((word) => ({ [situation]: word })),
      )
    const place = (over: object) => order.indexOf(expectedAnswer({ ...good, ...over }))
    for (const one of worlds) {
      for (const other of worlds) {
        const [a, b] = [place(one), place(other)]
        if (a < 0 || b < 0 || Object.keys(one)[0] === Object.keys(other)[0]) continue
        assert.equal(place({ ...one, ...other }), Math.min(a, b))
      }
    }
    const codes = worlds.map((over) => expectedAnswer({ ...good, ...over }))
    names(
      codes.filter((code) => code !== 'allowed'),
      'refusal',
    )
    assert.ok(codes.every((code) => code === 'allowed' || order.includes(code)))
  })
}
const peerOrder = [
  'organization_restricted',
  'peer_unknown',
  'credential_expired',
  'peer_mismatch',
  'token_replayed',
]

test('every file and vector that the specification points to is there', () => {
  for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)\)/g)) {
    assert.ok(existsSync(path.join(folder, target)), target)
  }
  for (const name of quoted) {
    if (!/\*.*\.json$|^[a-z-]+\.json$/.test(name)) continue
    const pattern = name.startsWith('vectors/') ? name : `vectors/*/${name}`
    assert.notDeepEqual(globSync(pattern, { cwd: folder }), [], name)
  }
})
