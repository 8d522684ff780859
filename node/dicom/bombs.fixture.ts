import { deflateRawSync } from 'node:zlib'
import { element, openSequence, undefinedLength } from './data-set.fixture.ts'
import { createPart10Header } from './part10.ts'

/** What somebody sends who means harm (T17): one data set each, as it travels in its transfer syntax. */
export type Bomb = {
  name: string
  sopClass: string
  sopUid: string
  transferSyntax: string
  dataSet: Buffer
  /** Refused as not readable, kept as it came because it is lawful DICOM, or kept apart. */
  fate: 'refused' | 'stored' | 'quarantined'
}

const ctClass = '1.2.840.10008.5.1.4.1.1.2'
const explicitLittle = '1.2.840.10008.1.2.1'
const deflated = '1.2.840.10008.1.2.1.99'
const jpegBaseline = '1.2.840.10008.1.2.4.50'
export const bombStudy = '1.2.77'

/** What every object needs before and behind the hostile part, in the order of tags. */
function wrapped(
  sopUid: string,
  parts: {
    early?: Buffer
    name?: string
    study?: string
    rows?: Buffer
    late?: Buffer
    pixels?: Buffer
  },
): Buffer {
  const { late, study = bombStudy } = parts
  return Buffer.concat([
    element('00080005', 'CS', 'ISO_IR 192'),
    element('00080016', 'UI', ctClass),
    element('00080018', 'UI', sopUid),
    element('00080060', 'CS', 'CT'),
    element('00100010', 'PN', parts.name ?? 'Bomb^A'),
    element('00100020', 'LO', '77'),
    element('0020000D', 'UI', study),
    element('0020000E', 'UI', `${study}.1`),
    parts.rows ?? element('00280010', 'US', [2, 0]),
    element('00280011', 'US', [2, 0]),
    element('00280100', 'US', [16, 0]),
    ...(late === undefined ? [] : [late]),
    parts.pixels ?? element('7FE00010', 'OW', new Uint8Array(8)),
  ])
}

const many = (count: number, bytes: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => bytes))
const openItem = Buffer.from('feff00e0ffffffff', 'hex')
const emptyItem = Buffer.from('feff00e000000000', 'hex')
const privateSequence = element('00291001', 'SQ', [], { length: undefinedLength })

/** Private elements of one group with rising numbers, as long as there are any, then of the next odd group. */
function manyTags(count: number): Buffer {
  const bytes = Buffer.alloc(count * 8)
  for (let n = 0; n < count; n++) {
    bytes.writeUInt16LE(0x0029 + 2 * Math.floor(n / 60_000), n * 8)
    bytes.writeUInt16LE(0x1000 + (n % 60_000), n * 8 + 2)
    bytes.write('US', n * 8 + 4, 'latin1')
  }
  return bytes
}

type Plain = Pick<Bomb, 'name' | 'fate'> & Partial<Bomb> & { make: (sopUid: string) => Buffer }

const formula = `+cmd|' /C calc'!A0<script>alert(1)</script>`

const table: Plain[] = [
  {
    name: 'a thousand times its size when inflated',
    fate: 'refused',
    transferSyntax: deflated,
    make: (uid) =>
      deflateRawSync(wrapped(uid, { pixels: element('7FE00010', 'OW', Buffer.alloc(80 << 20)) })),
  },
  {
    name: 'a hundred thousand sequences in each other',
    fate: 'refused',
    make: (uid) =>
      wrapped(uid, { late: many(100_000, Buffer.concat([privateSequence, openItem])) }),
  },
  {
    name: 'a value of 0xFFFFFFFE bytes',
    fate: 'refused',
    make: (uid) =>
      wrapped(uid, {
        late: element('00291002', 'OB', new Uint8Array(64), { length: 0xffff_fffe }),
      }),
  },
  {
    name: 'pixels of 0xFFFFFFFE bytes',
    fate: 'refused',
    make: (uid) =>
      wrapped(uid, {
        pixels: element('7FE00010', 'OB', new Uint8Array(64), { length: 0xffff_fffe }),
      }),
  },
  {
    name: 'a million elements',
    fate: 'stored',
    make: (uid) => wrapped(uid, { late: manyTags(1_000_000) }),
  },
  {
    name: 'a million items',
    fate: 'stored',
    make: (uid) => wrapped(uid, { late: openSequence('00291001', [many(1_000_000, emptyItem)]) }),
  },
  {
    name: 'many items out of a few thousand bytes',
    fate: 'stored',
    transferSyntax: deflated,
    make: (uid) =>
      deflateRawSync(wrapped(uid, { late: openSequence('00291001', [many(300_000, emptyItem)]) })),
  },
  {
    name: 'a hundred thousand empty fragments',
    fate: 'stored',
    transferSyntax: jpegBaseline,
    make: (uid) =>
      wrapped(uid, { pixels: openSequence('7FE00010', [many(100_001, emptyItem)], 'OB') }),
  },
  {
    name: 'rows as UL of 2^31',
    fate: 'stored',
    make: (uid) => wrapped(uid, { rows: element('00280010', 'UL', [0, 0, 0, 0x80]) }),
  },
  {
    name: 'one byte less than there should be',
    fate: 'refused',
    make: (uid) => wrapped(uid, {}).subarray(0, -1),
  },
  {
    name: 'HTML and a formula for a name',
    fate: 'stored',
    make: (uid) => wrapped(uid, { name: formula, study: `${bombStudy}.2` }),
  },
  {
    name: 'a path for a UID',
    fate: 'quarantined',
    sopUid: '../../x',
    make: (uid) => wrapped(uid, {}),
  },
]

export const hostileName = formula

/** One after the other, so that only one of them takes memory. */
export function* bombs(only = ''): Generator<Bomb> {
  for (const [index, one] of table.entries()) {
    if (!one.name.includes(only)) continue
    const { name, fate, make, transferSyntax = explicitLittle } = one
    const sopUid = one.sopUid ?? `${bombStudy}.1.${index + 1}`
    yield { name, fate, sopClass: ctClass, sopUid, transferSyntax, dataSet: make(sopUid) }
  }
}

/** The bomb as a file; its preamble may be the beginning of another kind of file (PS3.10 §7.1). */
export function fileOfBomb(bomb: Bomb, preamble: Uint8Array = new Uint8Array(0)): Buffer {
  const header = Buffer.from(createPart10Header(bomb))
  header.set(preamble)
  return Buffer.concat([header, bomb.dataSet])
}

/** Beginnings of files that a system would run or open. */
export const preambles: [name: string, bytes: Buffer][] = [
  ['PE', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(58), Buffer.from([0x80, 0, 0, 0])])],
  ['ELF', Buffer.from('7f454c46020101', 'hex')],
  ['TIFF', Buffer.from('49492a0084000000', 'hex')],
  ['PDF', Buffer.from('%PDF-1.7\n1 0 obj\n')],
]

export const plainBomb = (sopUid: string): Bomb => ({
  name: 'nothing but a preamble',
  fate: 'stored',
  sopClass: ctClass,
  sopUid,
  transferSyntax: explicitLittle,
  dataSet: wrapped(sopUid, {}),
})

export const bombLimits = { blockMs: 200, grownBytes: 128 * 1024 * 1024 } as const

export type Cost = { blockMs: number; grownBytes: number }

const triesMax = 6

/**
 * The longest time for which nothing else ran, and the memory that came to be held, while `work` ran. The time is that
 * of this thread's own work, so that a busy machine does not count; what is above the limit is tried again, because a
 * busy machine also makes work longer, and memory that nobody has collected yet counts as held. The result is that of
 * the first try.
 */
export async function costOf<T>(work: () => Promise<T>): Promise<Cost & { result: T }> {
  const { result, ...first } = await costOfOne(work)
  let { blockMs, grownBytes } = first
  for (let tries = 1; tries < triesMax; tries++) {
    if (blockMs <= bombLimits.blockMs && grownBytes <= bombLimits.grownBytes) break
    const again = await costOfOne(work)
    blockMs = Math.min(blockMs, again.blockMs)
    grownBytes = Math.min(grownBytes, again.grownBytes)
  }
  return { blockMs, grownBytes, result }
}

async function costOfOne<T>(work: () => Promise<T>): Promise<Cost & { result: T }> {
  const used = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  const held = (): number => process.memoryUsage.rss()
  const begin = held()
  let [last, blockMs, grownBytes] = [used(), 0, 0]
  const look = (): void => {
    blockMs = Math.max(blockMs, used() - last)
    grownBytes = Math.max(grownBytes, held() - begin)
    last = used()
  }
  const timer = setInterval(look, 1)
  try {
    const result = await work()
    look()
    return { result, blockMs, grownBytes }
  } finally {
    clearInterval(timer)
  }
}
