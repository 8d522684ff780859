import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { openAuditLog } from './audit-log.ts'

async function temporary() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-audit-'))
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}

const entry = (more: Partial<AuditEntry> = {}): AuditEntry => ({
  event: 'study-opened',
  outcome: 'success',
  organization: '1.2.643.5.1.13.13.12.2.42.9001',
  user: 'user',
  role: 'radiologist',
  source: '127.0.0.1',
  holder: '1.2.643.5.1.13.13.12.2.42.9002',
  study: '1.2.3',
  ...more,
})

const clock = () => 1_795_000_000_000
const small = { clock, segmentBytes: 2000 }

async function filled(dir: string, count: number) {
  await using log = await openAuditLog(dir, small)
  for (let n = 1; n <= count; n++) await log.append(entry({ detail: `record ${n}` }))
}

const segmentsOf = async (dir: string) =>
  (await readdir(dir)).filter((name) => name.endsWith('.audit')).sort()

test('records are numbered, kept over a restart, and listed by filter and position', async () => {
  await using place = await temporary()
  {
    await using log = await openAuditLog(place.dir, { clock })
    const first = await log.append(entry())
    assert.deepEqual(first, { ...entry(), seq: 1, at: clock() })
    await log.append(entry({ study: '1.2.4', outcome: 'denied', code: 'forbidden' }))
    await log.append(entry({ user: 'Ольга «О»\u2028', detail: 'line\nbreak' }))
  }
  await using log = await openAuditLog(place.dir, { clock })
  assert.equal(log.damage, undefined)
  assert.equal((await log.append(entry())).seq, 4)
  assert.equal(log.count(), 4)
  const numbers = async (...args: Parameters<typeof log.list>) =>
    (await log.list(...args)).map(({ seq }) => seq)
  assert.deepEqual(await numbers({}), [1, 2, 3, 4])
  assert.deepEqual(await numbers({ after: 1, limit: 2 }), [2, 3])
  assert.deepEqual(await numbers({ filter: { study: '1.2.4' } }), [2])
  assert.deepEqual(await numbers({ filter: { user: 'Ольга «О»\u2028' } }), [3])
  assert.deepEqual(
    await numbers({ filter: { study: '1.2.3', outcome: 'success' }, after: 1 }),
    [3, 4],
  )
  assert.deepEqual(await log.verify(), { ok: true, count: 4 })
})

test('a record is on the disk when append resolves, and one sync serves many', async () => {
  await using place = await temporary()
  await using log = await openAuditLog(place.dir, { clock })
  const text = async () => {
    const segments = await segmentsOf(place.dir)
    return (
      await Promise.all(segments.map((name) => readFile(path.join(place.dir, name), 'utf8')))
    ).join('')
  }
  await log.append(entry({ detail: 'alone' }))
  assert.match(await text(), /"alone"/)
  const started = performance.now()
  const events = await Promise.all(
    Array.from({ length: 2000 }, (_, n) => log.append(entry({ detail: `together ${n}` }))),
  )
  assert.ok(performance.now() - started < 2000, 'records wait for each other')
  assert.deepEqual(
    events.map(({ seq }) => seq),
    Array.from({ length: 2000 }, (_, n) => n + 2),
  )
  assert.match(await text(), /"together 1999"/)
  assert.deepEqual(await log.verify(), { ok: true, count: 2001 })
})

test('segments are bounded and positions in any of them are found', async () => {
  await using place = await temporary()
  await filled(place.dir, 40)
  assert.ok((await segmentsOf(place.dir)).length > 5)
  for (const name of await segmentsOf(place.dir)) {
    assert.ok((await stat(path.join(place.dir, name))).size < 3000, name)
  }
  await using log = await openAuditLog(place.dir, small)
  for (let after = 0; after < 40; after++) {
    const [next] = await log.list({ after, limit: 1 })
    assert.equal(next?.seq, after + 1)
  }
  assert.deepEqual(await log.list({ after: 40 }), [])
  assert.deepEqual(await log.verify(), { ok: true, count: 40 })
})

/** Every way to hurt line `at` of the log; the alteration keeps the file well formed. */
const hurts = {
  delete: (lines: string[], at: number) => lines.toSpliced(at, 1),
  alter: (lines: string[], at: number) =>
    lines.with(at, (lines[at] ?? '').replace(/"(success|segment)"/, '"altered"')),
  'alter a digest': (lines: string[], at: number) =>
    lines.with(
      at,
      (lines[at] ?? '').replace(/^./, (first) => (first === 'a' ? 'b' : 'a')),
    ),
  reorder: (lines: string[], at: number) =>
    at + 1 < lines.length
      ? lines.with(at, lines[at + 1] ?? '').with(at + 1, lines[at] ?? '')
      : lines.toSpliced(at, 1),
  repeat: (lines: string[], at: number) => lines.toSpliced(at, 0, lines[at] ?? ''),
  truncate: (lines: string[], at: number) => lines.slice(0, at),
}

for (const [name, hurt] of Object.entries(hurts)) {
  test(`${name}: any record that is touched is named by verify, while the log runs and after a restart`, async () => {
    await using place = await temporary()
    await filled(place.dir, 12)
    const segments = await segmentsOf(place.dir)
    assert.ok(segments.length >= 2)
    for (const segment of segments) {
      const file = path.join(place.dir, segment)
      const whole = await readFile(file, 'utf8')
      const head = await readFile(path.join(place.dir, 'head'))
      const lines = whole.split('\n').slice(0, -1)
      for (let at = 0; at < lines.length; at++) {
        // A line after the newest one is what an unfinished write leaves: cut off at the next start.
        if (name === 'repeat' && segment === segments.at(-1) && at === lines.length - 1) continue
        const before = new Set(await readdir(place.dir))
        {
          await using running = await openAuditLog(place.dir, small)
          await writeFile(file, `${hurt(lines, at).join('\n')}\n`)
          assert.equal((await running.verify()).ok, false, `${segment} line ${at}, running`)
        }
        {
          await using log = await openAuditLog(place.dir, small)
          const found = await log.verify()
          assert.equal(found.ok, false, `${segment} line ${at}`)
          const next = await log.append(entry())
          assert.ok(next.seq > 12, 'numbers are not used twice')
          assert.equal((await log.verify()).ok, false, 'still, after more records')
        }
        await writeFile(file, whole)
        await writeFile(path.join(place.dir, 'head'), head)
        for (const made of await readdir(place.dir)) {
          if (!before.has(made)) await rm(path.join(place.dir, made))
        }
        if (segment !== segments.at(-1)) await restore(place.dir, segments)
      }
    }
  })
}

/** Takes away what the reopened log wrote into the last segment. */
async function restore(dir: string, segments: string[]): Promise<void> {
  const last = path.join(dir, segments.at(-1) ?? '')
  const kept = (await readFile(last, 'utf8')).split('\n').slice(0, -1)
  while (/"seq":1[3-9]/.test(kept.at(-1) ?? '')) kept.pop()
  await writeFile(last, `${kept.join('\n')}\n`)
}

test('a whole log that is rebuilt with one record left out is found by the head', async () => {
  await using place = await temporary()
  await using other = await temporary()
  await filled(place.dir, 3)
  {
    await using forged = await openAuditLog(other.dir, { clock })
    for (const n of [1, 3, 4]) await forged.append(entry({ detail: `record ${n}` }))
  }
  const [name = ''] = await segmentsOf(other.dir)
  await writeFile(path.join(place.dir, name), await readFile(path.join(other.dir, name)))
  await using log = await openAuditLog(place.dir, { clock })
  assert.deepEqual(log.damage, { kind: 'tampered', at: 3 })
  assert.equal((await log.list({ filter: { event: 'security-alert' } })).length, 1)
})

test('a removed segment, and a removed log, are found', async () => {
  await using place = await temporary()
  await filled(place.dir, 12)
  const segments = await segmentsOf(place.dir)
  await rm(path.join(place.dir, segments[1] ?? ''))
  {
    await using log = await openAuditLog(place.dir, small)
    assert.equal((await log.verify()).ok, false)
  }
  for (const name of await segmentsOf(place.dir)) await rm(path.join(place.dir, name))
  await using log = await openAuditLog(place.dir, small)
  assert.deepEqual(log.damage, { kind: 'tampered', at: 1 })
  assert.equal((await log.verify()).ok, false)
  assert.ok((await log.append(entry())).seq > 12)
})

test('the end of an unfinished write is cut off and reported; nothing acknowledged is lost', async () => {
  await using place = await temporary()
  await filled(place.dir, 3)
  const [name = ''] = await segmentsOf(place.dir)
  const file = path.join(place.dir, name)
  const whole = await readFile(file)
  const tails = [
    Buffer.from('0123'),
    Buffer.alloc(4096),
    Buffer.concat([Buffer.alloc(100), Buffer.from('\n'), Buffer.alloc(10)]),
    whole.subarray(-300, -1),
  ]
  for (const tail of tails) {
    const head = await readFile(path.join(place.dir, 'head'))
    await writeFile(file, Buffer.concat([whole, tail]))
    {
      await using log = await openAuditLog(place.dir, { clock })
      assert.deepEqual(log.damage, { kind: 'torn-tail', bytes: tail.byteLength })
      assert.deepEqual(await log.verify(), { ok: true, count: 4 })
      const [alert] = await log.list({ after: 3 })
      assert.equal(alert?.event, 'security-alert')
      assert.match(alert?.detail ?? '', new RegExp(`${tail.byteLength} bytes`))
    }
    await writeFile(path.join(place.dir, 'head'), head)
  }
})

test('a segment whose first line was never written is begun again', async () => {
  await using place = await temporary()
  await filled(place.dir, 12)
  const last = (await segmentsOf(place.dir)).length
  await writeFile(path.join(place.dir, `${String(last + 1).padStart(8, '0')}.audit`), '00ab')
  await using log = await openAuditLog(place.dir, small)
  assert.equal((await log.append(entry())).seq, 13)
  assert.deepEqual(await log.verify(), { ok: true, count: 13 })
})

test('when the head is lost the log goes on and says so', async () => {
  await using place = await temporary()
  await filled(place.dir, 3)
  await truncate(path.join(place.dir, 'head'), 0)
  await using log = await openAuditLog(place.dir, { clock })
  assert.deepEqual(log.damage, { kind: 'tampered', at: 4 })
  assert.equal((await log.append(entry())).seq, 5)
})

/** Runs a program of its own that appends until it is killed, or as long as its files may grow. */
async function appendApart(dir: string, limit = 'unlimited') {
  const program = `
    import { openAuditLog } from ${JSON.stringify(path.join(import.meta.dirname, 'audit-log.ts'))}
    const log = await openAuditLog(${JSON.stringify(dir)}, { clock: Date.now, segmentBytes: 20_000 })
    const entry = ${JSON.stringify(entry())}
    const append = async () => {
      for (;;) console.log((await log.append(entry)).seq)
    }
    const results = await Promise.allSettled(Array.from({ length: 8 }, append))
    console.log(results.map(({ reason }) => reason.code).join())
    await log[Symbol.asyncDispose]()`
  const shell = `ulimit -f ${limit}; exec "$0" --input-type=module-typescript -e "$1"`
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit']
  const child = spawn('bash', ['-c', shell, process.execPath, program], { stdio })
  const lines: string[] = []
  const input = createInterface({ input: child.stdout })
  input.on('line', (line) => lines.push(line))
  const ended = once(input, 'close')
  return { child, lines, ended }
}

test('what was acknowledged before the program was killed is there, in order and whole', async () => {
  await using place = await temporary()
  let acknowledged = 0
  for (const after of [150, 60, 240]) {
    const { child, lines, ended } = await appendApart(place.dir)
    while (lines.length < after) await new Promise((resolve) => setTimeout(resolve, 5))
    child.kill('SIGKILL')
    await ended
    const newest = Math.max(acknowledged, ...lines.map(Number))
    assert.ok(newest >= acknowledged + after)
    await using log = await openAuditLog(place.dir, { clock, segmentBytes: 20_000 })
    const found = await log.verify()
    assert.ok(found.ok)
    assert.ok(found.count >= newest, `${found.count} records, ${newest} acknowledged`)
    assert.notEqual(log.damage?.kind, 'tampered')
    acknowledged = found.count
  }
})

test('when the disk takes no more, appending fails and goes on failing; what was written stands', async () => {
  await using place = await temporary()
  // In units of 1024 bytes: less than a segment.
  const { lines, ended } = await appendApart(place.dir, '12')
  await ended
  assert.equal(lines.at(-1), Array(8).fill('audit_unavailable').join())
  const newest = Math.max(...lines.slice(0, -1).map(Number))
  assert.ok(newest > 10)
  await using log = await openAuditLog(place.dir, { clock })
  const found = await log.verify()
  assert.ok(found.ok && found.count >= newest)
})

test('texts that are too long are cut, so that no event is lost', async () => {
  await using place = await temporary()
  await using log = await openAuditLog(place.dir, { clock })
  const event = await log.append(entry({ user: 'ы'.repeat(5000), detail: `${'x'.repeat(199)}😀` }))
  assert.equal(event.user.length, 128)
  assert.equal(event.detail?.length, 200)
  assert.deepEqual(await log.verify(), { ok: true, count: 1 })
  await assert.rejects(log.append(entry({ bytes: -1 })), { code: 'internal' })
})

test('a closed log refuses, and what was waiting is written first', async () => {
  await using place = await temporary()
  const log = await openAuditLog(place.dir, { clock })
  const waiting = Array.from({ length: 50 }, () => log.append(entry()))
  await log[Symbol.asyncDispose]()
  assert.equal((await Promise.all(waiting)).length, 50)
  await assert.rejects(log.append(entry()), { code: 'audit_unavailable' })
})
