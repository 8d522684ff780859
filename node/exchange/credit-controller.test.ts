import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createCreditController } from './credit-controller.ts'
import type { CreditController, CreditMember } from './credit-controller.ts'
import { createPurse } from './purse.ts'

const KiB = 1024
const background = { targetMs: 80, bytesMin: 32 * KiB, bytesMax: 4096 * KiB }
const interactive = { targetMs: 250, bytesMin: 128 * KiB, bytesMax: 4096 * KiB }

/** A link with a queue, in simulated time: credit reaches the holder after half a trip, bytes wait their turn. */
function createLink({
  bytesPerMs,
  tripMs,
  frameBytes = 16 * KiB,
}: {
  bytesPerMs: number
  tripMs: number
  frameBytes?: number
}) {
  const link = {
    time: 0,
    busyUntil: 0,
    queue: [] as { at: number; bytes: number; to: (bytes: number) => void }[],
    /** The holder answers credit at once, in frames that queue on the link. */
    credit(bytes: number, to: (bytes: number) => void): void {
      for (let left = bytes; left > 0; left -= frameBytes) {
        const size = Math.min(frameBytes, left)
        link.busyUntil = Math.max(link.busyUntil, link.time + tripMs / 2) + size / bytesPerMs
        link.queue.push({ at: link.busyUntil + tripMs / 2, bytes: size, to })
      }
    },
    run(untilMs: number): void {
      while (link.queue[0] !== undefined && link.queue[0].at <= untilMs) {
        const next = link.queue.shift()
        if (next === undefined) return
        link.time = next.at
        next.to(next.bytes)
      }
      link.time = untilMs
    },
    /** How long a byte sent now would wait. */
    queueMs: (): number => Math.max(0, link.busyUntil - link.time - tripMs / 2),
  }
  return link
}

/** A stream that always has something to send. */
function saturate(link: ReturnType<typeof createLink>, member: CreditMember) {
  const stream = { bytes: 0 }
  const top = (): void => {
    const more = member.top()
    if (more > 0) link.credit(more, take)
  }
  const take = (bytes: number): void => {
    stream.bytes += bytes
    member.received(bytes)
    top()
  }
  top()
  return stream
}

const controllerOn = (link: { time: number }, options = background): CreditController =>
  createCreditController({ ...options, now: () => link.time })

test('one setting fills a thin and a fast link, and keeps the queue short', () => {
  for (const [mbit, seconds] of [
    [2, 60],
    [20, 30],
    [100, 20],
  ] as const) {
    const link = createLink({ bytesPerMs: (mbit * 1e6) / 8 / 1000, tripMs: 50 })
    const stream = saturate(link, controllerOn(link).join())
    let worst = 0
    for (let ms = 0; ms < seconds * 1000; ms += 100) {
      link.run(ms)
      if (ms > 5000) worst = Math.max(worst, link.queueMs())
    }
    const used = (stream.bytes * 8) / 1e6 / seconds / mbit
    assert.ok(used > 0.85, `${mbit} Mbit/s: ${(used * 100).toFixed(0)} % used`)
    assert.ok(worst < 300, `${mbit} Mbit/s: a byte waits ${worst.toFixed(0)} ms`)
  }
})

test('streams of one controller share its window', () => {
  const link = createLink({ bytesPerMs: 250, tripMs: 50 })
  const controller = controllerOn(link)
  const streams = [controller.join(), controller.join(), controller.join()].map((one) =>
    saturate(link, one),
  )
  let worst = 0
  for (let ms = 0; ms < 60_000; ms += 100) {
    link.run(ms)
    if (ms > 10_000) worst = Math.max(worst, link.queueMs())
  }
  assert.ok(worst < 500, `a byte waits ${worst.toFixed(0)} ms`)
  const [least = 0, most = 0] = [Math.min, Math.max].map((of) =>
    of(...streams.map((one) => one.bytes)),
  )
  assert.ok(least > most / 4, 'none starves')
})

test('a background stream yields to an interactive one, and takes the link back afterwards', () => {
  const link = createLink({ bytesPerMs: 250, tripMs: 50 })
  const slow = saturate(link, controllerOn(link).join())
  link.run(20_000)
  const alone = slow.bytes / 20
  const fast = saturate(link, controllerOn(link, interactive).join())
  link.run(25_000)
  const [fastBefore, slowBefore] = [fast.bytes, slow.bytes]
  link.run(45_000)
  const [fastRate, slowRate] = [(fast.bytes - fastBefore) / 20, (slow.bytes - slowBefore) / 20]
  assert.ok(fastRate > 3 * slowRate, `${fastRate} against ${slowRate}`)
  assert.ok(fastRate > 0.6 * alone)
})

test('what was granted before a stream is hurried counts as it was granted', () => {
  let time = 0
  const now = (): number => time
  const purse = createPurse(
    createCreditController({ ...background, now }),
    createCreditController({ ...interactive, now }),
  )
  const first = purse.top()
  assert.equal(first, 64 * KiB)
  assert.equal(purse.top(), 0)
  const what = {}
  purse.hurry(what)
  const more = purse.top()
  assert.equal(more, 256 * KiB)
  time = 100
  purse.received(first + 1000)
  assert.ok(purse.top() < 128 * KiB, 'only what came of the second grant is granted again')
  purse.settle(what)
  purse.received(more - 1000)
  assert.ok(purse.top() > 0)
  purse.leave()
})

test('a pause in which nothing was wanted does not count as delay', () => {
  const link = createLink({ bytesPerMs: 250, tripMs: 50 })
  const controller = controllerOn(link)
  const member = controller.join()
  saturate(link, member)
  link.run(10_000)
  const before = controller.window()
  link.queue.length = 0
  link.time += 60_000
  member.resume()
  link.credit(member.outstanding(), (bytes) => member.received(bytes))
  link.run(link.time + 10_000)
  assert.ok(controller.window() > before / 2)
})
