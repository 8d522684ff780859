/**
 * SHA-256 (FIPS 180-4) of four messages side by side, as WebAssembly: each 32-bit lane of a vector is the state of one
 * message. Where the processor has no instructions for SHA-256 this takes two thirds of the time that one message after
 * the other takes. It is written here instruction by instruction, because nothing compiles such code in this project,
 * and compared with the platform's own in tests.
 */

/** Where things lie in its memory, in bytes. */
export const layout = {
  constants: 0,
  /** Eight words of state, of each the four messages'. */
  state: 512,
  /** The block that ends each message: they are equally long. */
  padding: 1024,
  data: 65_536,
} as const

export const blockBytes = 64
const wordBytes = 4
const vectorBytes = 16
const rounds = 64

type Code = readonly number[]

const leb = (value: number): Code =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)]
const vector = (opcode: number, ...rest: Code): Code => [0xfd, ...leb(opcode), ...rest]
const get = (local: number): Code => [0x20, ...leb(local)]
const set = (local: number): Code => [0x21, ...leb(local)]
const tee = (local: number): Code => [0x22, ...leb(local)]
/** At most 63: that fits into one byte of signed LEB128. */
const small = (value: number): Code => [0x41, value]

const add = vector(0xae)
const xor = vector(0x51)
const and = vector(0x4e)
const or = vector(0x50)
const left = (bits: number): Code => [...small(bits), ...vector(0xab)]
const right = (bits: number): Code => [...small(bits), ...vector(0xad)]
const load = (offset: number): Code => vector(0x00, 4, ...leb(offset))
const store = (offset: number): Code => vector(0x0b, 4, ...leb(offset))
const loadToAllLanes = (offset: number): Code => vector(0x09, 2, ...leb(offset))
/** Bytes of two vectors, by their places: those of the second are 16 to 31. */
const pick = (places: Code): Code => vector(0x0d, ...places)
/** The same of 32-bit words. */
const pickWords = (words: Code): Code =>
  pick(words.flatMap((word) => [0, 1, 2, 3].map((byte) => word * wordBytes + byte)))
const reverseWords = pick([3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12])

const lanes = [0, 1, 2, 3] as const
const eight = [0, 1, 2, 3, 4, 5, 6, 7] as const

/** Parameters: where each message lies, and the number of blocks; the other locals are vectors. */
const blocksLeft = 4
const stateLocal = (index: number): number => 5 + index
const workLocal = (index: number): number => 13 + (index & 7)
const wordLocal = (index: number): number => 21 + (index & 15)
const temporary = (index: number): number => 37 + index
const vectorLocals = 36

const code = (...parts: readonly Code[]): Code => parts.flat()

const rotated = (local: number, bits: number): Code =>
  code(get(local), right(bits), get(local), left(32 - bits), or)
const bigSigma = (local: number, [a, b, c]: Three): Code =>
  code(rotated(local, a), rotated(local, b), xor, rotated(local, c), xor)
const smallSigma = (local: number, [a, b, shift]: Three): Code =>
  code(rotated(local, a), rotated(local, b), xor, get(local), right(shift), xor)
type Three = readonly [number, number, number]

/** Four words of each message, turned so that each vector holds one word of all four. */
function loadWords(group: number): Code {
  const row = (lane: number): number => wordLocal(4 * group + lane)
  const both = (one: number, other: number, words: Code, into: number): Code =>
    code(get(one), get(other), pickWords(words), set(into))
  return code(
    ...lanes.map((lane) =>
      code(
        code(get(lane), load(vectorBytes * group), tee(row(lane))),
        code(get(row(lane)), reverseWords, set(row(lane))),
      ),
    ),
    both(row(0), row(1), [0, 4, 1, 5], temporary(0)),
    both(row(0), row(1), [2, 6, 3, 7], temporary(1)),
    both(row(2), row(3), [0, 4, 1, 5], temporary(2)),
    both(row(2), row(3), [2, 6, 3, 7], temporary(3)),
    both(temporary(0), temporary(2), [0, 1, 4, 5], row(0)),
    both(temporary(0), temporary(2), [2, 3, 6, 7], row(1)),
    both(temporary(1), temporary(3), [0, 1, 4, 5], row(2)),
    both(temporary(1), temporary(3), [2, 3, 6, 7], row(3)),
  )
}

/** The message schedule from its seventeenth word on. */
function nextWord(round: number): Code {
  const word = wordLocal(round)
  return code(
    code(get(word), smallSigma(wordLocal(round + 1), [7, 18, 3]), add),
    code(get(wordLocal(round + 9)), add),
    code(smallSigma(wordLocal(round + 14), [17, 19, 10]), add, set(word)),
  )
}

/** One round. The names of the eight working variables move on by one each time; nothing is copied. */
function oneRound(round: number): Code {
  const local = (index: number): number => workLocal(index - round)
  const [a, b, c, d] = [get(local(0)), get(local(1)), get(local(2)), get(local(3))]
  const [e, f, g, h] = [get(local(4)), get(local(5)), get(local(6)), get(local(7))]
  const constant = code(small(0), loadToAllLanes(layout.constants + wordBytes * round))
  const choice = code(g, e, f, g, xor, and, xor)
  const majority = code(a, b, xor, b, c, xor, and, b, xor)
  const sum = temporary(0)
  return code(
    round < 16 ? [] : nextWord(round),
    code(h, get(wordLocal(round)), constant, add, add, choice, add),
    code(bigSigma(local(4), [6, 11, 25]), add, set(sum)),
    code(d, get(sum), add, set(local(3))),
    code(get(sum), bigSigma(local(0), [2, 13, 22]), add, majority, add, set(local(7))),
  )
}

const numbers = Array.from({ length: rounds }, (_, index) => index)

/** `blocks(at0, at1, at2, at3, count)`: takes the next blocks of each message into the state. */
function blocksFunction(): Code {
  const place = (index: number): number => layout.state + vectorBytes * index
  const state = (index: number): Code => get(stateLocal(index))
  const loop = [0x03, 0x40]
  const [plus, minus, again, end] = [[0x6a], [0x6b], [0x0d, 0x00], [0x0b]]
  const block = [0x41, 0xc0, 0x00]
  return code(
    ...eight.map((index) => code(small(0), load(place(index)), set(stateLocal(index)))),
    loop,
    ...eight.map((index) => code(state(index), set(workLocal(index)))),
    ...lanes.map(loadWords),
    ...numbers.map(oneRound),
    ...eight.map((index) => code(state(index), get(workLocal(index)), add, set(stateLocal(index)))),
    ...lanes.map((lane) => code(get(lane), block, plus, set(lane))),
    code(get(blocksLeft), small(1), minus, tee(blocksLeft), again, end),
    ...eight.map((index) => code(small(0), state(index), store(place(index)))),
    end,
  )
}

const counted = (items: Code): Code => [...leb(items.length), ...items]
const section = (id: number, content: Code): Code => [id, ...counted(content)]
const name = (text: string): Code => counted([...Buffer.from(text)])

/** The module: imports `env.memory`, exports `blocks`. */
export function sha256Module(memoryPages: number): Uint8Array {
  const [i32, v128] = [0x7f, 0x7b]
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const body = code([1], leb(vectorLocals), [v128], blocksFunction())
  return Uint8Array.from(
    code(
      header,
      section(1, code([1, 0x60], counted([i32, i32, i32, i32, i32]), [0])),
      section(2, code([1], name('env'), name('memory'), [2, 0], leb(memoryPages))),
      section(3, [1, 0]),
      section(7, code([1], name('blocks'), [0, 0])),
      section(10, code([1], counted(body))),
    ),
  )
}
