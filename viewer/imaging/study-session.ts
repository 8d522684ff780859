import { batch, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Attributes } from '../api/dicom-json.ts'
import type { SeriesSummary } from '../api/studies.ts'
import { createReader, type Reader } from './reader.ts'
import { createStackMemory, type StackMemory } from './stack-memory.ts'
import { openStack, type StackSession, type StackSessionDeps } from './stack-session.ts'
import { contentOf, type OtherObject, type SeriesContent, type Stack } from './stacks.ts'
import type { Thumbnail } from './thumbnail.ts'
import { createThumbnails, middleOf } from './thumbnails.ts'

/**
 * A study that is being read: its series, the stacks in memory and the one on the screen. What is not on the screen is
 * loaded afterwards as far as memory allows, so that the next series opens at once.
 */
export type StudySession = {
  readonly series: Signal<SeriesEntry[]>
  readonly active: Signal<Reader | undefined>
  /** An object without an image that was chosen. */
  readonly other: Signal<OtherObject | undefined>
  /** Stacks in memory by key. */
  readonly open: ReadonlySignal<ReadonlyMap<string, StackSession>>
  readonly outOfMemory: ReadonlySignal<boolean>
  readonly thumbnails: ReadonlySignal<ReadonlyMap<string, Thumbnail>>
  start: () => Promise<void>
  show: (stack: Stack) => void
  showOther: (object: OtherObject) => void
  /** The next or previous stack in the order of the rail. */
  turn: (by: 1 | -1) => void
  /** Tries again what failed; `passing` leaves out what trying again cannot mend. */
  retry: (which?: 'all' | 'passing') => void
  [Symbol.dispose]: () => void
}

export type SeriesEntry = {
  summary: SeriesSummary
  content?: SeriesContent
  failure?: unknown
}

export type StudySessionDeps = StackSessionDeps & {
  loadSeries: (signal: AbortSignal) => Promise<SeriesSummary[]>
  /** Metadata with the tables that a series refers to put in. */
  loadMetadata: (series: string, signal: AbortSignal) => Promise<Attributes[]>
  /** How much memory the stacks of one study may take together. */
  memoryBytes: number
}

export function createStudySession(deps: StudySessionDeps): StudySession {
  const abort = new AbortController()
  const series = signal<SeriesEntry[]>([])
  const active = signal<Reader | undefined>(undefined)
  const other = signal<OtherObject | undefined>(undefined)
  const stacks = () => series.value.flatMap(({ content }) => content?.stacks ?? [])
  const memory = createStackMemory({
    openStack: (stack) => openStack(stack, deps),
    limitBytes: deps.memoryBytes,
    isNeeded: (session) => session === active.value?.session,
  })
  const readers = new WeakMap<StackSession, Reader>()
  const background = createBackground({ abort, active, memory, series, stacks, deps })

  const show = (stack: Stack) => {
    const session = memory.take(stack)
    if (session === undefined) return
    const reader = readers.get(session) ?? createReader(session)
    readers.set(session, reader)
    batch(() => {
      if (active.value !== undefined) active.value.isPlaying.value = false
      other.value = undefined
      active.value = reader
    })
    reader.go(reader.slice.value)
  }
  const showOther = (object: OtherObject) => {
    batch(() => {
      active.value = undefined
      other.value = object
    })
  }
  const content = createContents({ abort, series, deps }, (first) => {
    if (active.value === undefined && other.value === undefined) show(first)
  })

  return {
    series,
    active,
    other,
    open: memory.open,
    outOfMemory: memory.isFull,
    thumbnails: background.pictures,
    show,
    showOther,
    async start() {
      await content.loadAll()
      // A study of documents only shows the first of them.
      const [document] = series.value.flatMap(({ content }) => content?.others ?? [])
      if (active.value === undefined && document !== undefined) showOther(document)
    },
    turn(by) {
      const all = stacks()
      const now = all.findIndex(({ key }) => key === active.value?.session.stack.key)
      const next = all[now + by]
      if (next !== undefined) show(next)
    },
    retry(which = 'all') {
      content.retry(which)
      for (const { loader } of memory.open.value.values()) loader.retry(which)
      background.retry(which)
    },
    [Symbol.dispose]() {
      abort.abort()
      background.stop()
      active.value = undefined
      memory[Symbol.dispose]()
    },
  }
}

type ContentsParts = {
  abort: AbortController
  series: Signal<SeriesEntry[]>
  deps: Pick<StudySessionDeps, 'loadSeries' | 'loadMetadata' | 'isPermanent'>
}

/** What each series consists of, the one to be read first before the others. */
function createContents({ abort, series, deps }: ContentsParts, onStack: (first: Stack) => void) {
  const underWay = new Map<string, Promise<void>>()
  let everything: Promise<void> | undefined

  /** One question per series at a time: the answer to an older one must not replace that to a newer. */
  function load(summary: SeriesSummary): Promise<void> {
    const loading = underWay.get(summary.uid) ?? ask(summary)
    underWay.set(summary.uid, loading)
    return loading.finally(() => underWay.delete(summary.uid))
  }

  async function ask({ uid }: SeriesSummary): Promise<void> {
    let loaded: Pick<SeriesEntry, 'content' | 'failure'>
    try {
      loaded = { content: contentOf(uid, await deps.loadMetadata(uid, abort.signal)) }
    } catch (failure) {
      if (abort.signal.aborted) return
      loaded = { failure }
    }
    series.value = series.value.map((one) =>
      one.summary.uid === uid ? { summary: one.summary, ...loaded } : one,
    )
    const first = loaded.content?.stacks[0]
    if (first !== undefined) onStack(first)
  }
  async function askAll(): Promise<void> {
    const summaries = await deps.loadSeries(abort.signal)
    series.value = summaries.map((summary) => ({ summary }))
    for (const summary of readingOrder(summaries)) {
      if (abort.signal.aborted) return
      await load(summary)
    }
  }

  return {
    loadAll(): Promise<void> {
      everything ??= askAll().finally(() => (everything = undefined))
      return everything
    },
    retry(which: 'all' | 'passing') {
      for (const { summary, failure } of series.value) {
        if (failure === undefined) continue
        if (which === 'all' || !deps.isPermanent(failure)) void load(summary)
      }
    },
  }
}

type BackgroundParts = {
  abort: AbortController
  active: Signal<Reader | undefined>
  memory: StackMemory
  series: Signal<SeriesEntry[]>
  stacks: () => Stack[]
  deps: StudySessionDeps
}

/** The stack on the screen has the link to itself; when it is complete, the others follow in the order of the rail. */
function createBackground({ abort, active, memory, series, stacks, deps }: BackgroundParts) {
  const shown = () => active.value?.session
  const isBusy = () => {
    const session = shown()
    return session !== undefined && !isSettled(session)
  }
  const thumbnails = createThumbnails({
    ...deps,
    signal: abort.signal,
    sessionOf: ({ key }) => memory.open.value.get(key),
    // On a thin link every frame for a picture delays one that is being waited for.
    mayFetch: () => !isBusy() || (shown()?.loader.bytesPerSecond() ?? 0) >= thinBytesPerSecond,
  })

  function prefetch(): void {
    const sessions = [...memory.open.value.values()]
    if (sessions.some((one) => !isSettled(one))) return
    const next = stacks().find(({ key }) => !memory.open.value.has(key))
    if (next !== undefined && memory.hasRoomFor(next)) {
      memory.add(next)?.loader.focus(middleOf(next))
    }
  }

  function arrange(): void {
    memory.trim()
    const busy = isBusy()
    for (const one of memory.open.value.values()) one.loader.pause(busy && one !== shown())
    void thumbnails.draw(stacks)
    if (!busy) prefetch()
  }

  /** Every change of what is in memory may free the link for what comes next; once per turn is enough. */
  let isArranging = false
  const stop = effect(() => {
    for (const one of memory.open.value.values()) void one.revision.value
    void active.value
    void series.value
    if (isArranging) return
    isArranging = true
    queueMicrotask(() => {
      isArranging = false
      if (!abort.signal.aborted) arrange()
    })
  })
  const retry = (which: 'all' | 'passing') => {
    thumbnails.retry(which)
    void thumbnails.draw(stacks)
  }
  return { pictures: thumbnails.pictures, retry, stop }
}

const thinBytesPerSecond = 1_000_000

const isSettled = ({ loader: { progress } }: StackSession) =>
  progress.loaded + progress.failed === progress.total

const withoutImages = new Set(['SR', 'KO', 'PR', 'DOC', 'RTSTRUCT', 'RTPLAN', 'SEG', 'REG', 'ECG'])

/** Localizers and documents come after the first series with a body of images. */
export function readingOrder(series: readonly SeriesSummary[]): SeriesSummary[] {
  const images = series.filter(({ modality }) => !withoutImages.has(modality))
  const first = images.find(({ instances }) => instances > 3) ?? images[0] ?? series[0]
  return first === undefined ? [] : [first, ...series.filter((one) => one !== first)]
}
