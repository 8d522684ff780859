import { type ReadonlySignal, signal } from '@preact/signals'
import { stackBytes, type StackSession } from './stack-session.ts'
import type { Stack } from './stacks.ts'

/** The stacks that are in memory, no more of them than fit. */
export type StackMemory = {
  /** By key, in the order in which they were opened. */
  readonly open: ReadonlySignal<ReadonlyMap<string, StackSession>>
  /** The browser had no memory for the stack that the reader asked for last. */
  readonly isFull: ReadonlySignal<boolean>
  /** A stack that is here, or is opened; nothing when there is no memory for it. */
  take: (stack: Stack) => StackSession | undefined
  /** Opens one that nobody asked for: where the browser has no memory for it, the reader need not hear of that. */
  add: (stack: Stack) => StackSession | undefined
  /** Whether a stack fits without another having to go. */
  hasRoomFor: (stack: Stack) => boolean
  /** Lets go of what is too much, now that another stack may be on the screen. */
  trim: () => void
  [Symbol.dispose]: () => void
}

export type StackMemoryDeps = {
  openStack: (stack: Stack) => StackSession
  limitBytes: number
  /** This one must stay: it is on the screen. */
  isNeeded: (session: StackSession) => boolean
}

export function createStackMemory(deps: StackMemoryDeps): StackMemory {
  const open = signal<ReadonlyMap<string, StackSession>>(new Map())
  const isFull = signal(false)
  const usedBytes = () => [...open.value.values()].reduce((sum, { bytes }) => sum + bytes, 0)

  /** Lets go of the stacks that were opened first. */
  function makeRoom(bytes: number): void {
    const kept = new Map(open.value)
    let used = usedBytes()
    for (const [key, session] of open.value) {
      if (used + bytes <= deps.limitBytes) break
      if (deps.isNeeded(session)) continue
      kept.delete(key)
      used -= session.bytes
      session[Symbol.dispose]()
    }
    // Whoever watches what is here must not hear of a change that was none.
    if (kept.size < open.value.size) open.value = kept
  }

  function add(stack: Stack): StackSession | undefined {
    makeRoom(stackBytes(stack))
    try {
      const session = deps.openStack(stack)
      open.value = new Map([...open.value, [stack.key, session]])
      return session
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      return undefined
    }
  }

  return {
    open,
    isFull,
    add,
    take(stack) {
      const session = open.value.get(stack.key) ?? add(stack)
      isFull.value = session === undefined
      return session
    },
    trim: () => {
      if (usedBytes() > deps.limitBytes) makeRoom(0)
    },
    hasRoomFor: (stack) => usedBytes() + stackBytes(stack) <= deps.limitBytes,
    [Symbol.dispose]() {
      for (const session of open.value.values()) session[Symbol.dispose]()
      open.value = new Map()
    },
  }
}
