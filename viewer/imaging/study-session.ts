import { batch, effect, type Signal, signal } from '@preact/signals'
import type { Attributes } from '../api/dicom-json.ts'
import type { SeriesSummary } from '../api/studies.ts'
import type { Samples } from './bits.ts'
import { frameLength } from './pixel-format.ts'
import { createReader, type Reader } from './reader.ts'
import { openStack, stackBytes, type StackSession, type StackSessionDeps } from './stack-session.ts'
import { thumbnailOf, type Thumbnail } from './thumbnail.ts'
import { firstChoice, type Range, voiOf } from './windowing.ts'
import { contentOf, type OtherObject, type SeriesContent, type Stack } from './stacks.ts'

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
  readonly open: Signal<ReadonlyMap<string, StackSession>>
  readonly outOfMemory: Signal<boolean>
  readonly thumbnails: Signal<ReadonlyMap<string, Thumbnail>>
  start(): Promise<void>
  show(stack: Stack): void
  showOther(object: OtherObject): void
  /** The next or previous stack in the order of the rail. */
  turn(by: 1 | -1): void
  /** Tries again what failed; `passing` leaves out what trying again cannot mend. */
  retry(which?: 'all' | 'passing'): void
  [Symbol.dispose](): void
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
  const open = signal<ReadonlyMap<string, StackSession>>(new Map())
  const outOfMemory = signal(false)
  const thumbnails = signal<ReadonlyMap<string, Thumbnail>>(new Map())
  const readers = new Map<string, Reader>()

  const stacks = () => series.value.flatMap(({ content }) => content?.stacks ?? [])

  /** Every change of what is in memory may free the link for what comes next; once per turn is enough. */
  let isArranging = false
  const stopWatching = effect(() => {
    for (const one of open.value.values()) void one.revision.value
    void active.value
    void series.value
    if (isArranging) return
    isArranging = true
    queueMicrotask(() => {
      isArranging = false
      if (!abort.signal.aborted) arrange()
    })
  })

  /** The stack on the screen has the link to itself; when it is complete, the others follow in the order of the rail. */
  function arrange(): void {
    const shown = active.value?.session
    const isBusy = shown !== undefined && !isSettled(shown)
    for (const one of open.value.values()) one.loader.pause(isBusy && one !== shown)
    void drawThumbnails(isBusy)
    if (!isBusy) prefetch()
  }

  function prefetch(): void {
    const sessions = [...open.value.values()]
    if (sessions.some((one) => !isSettled(one))) return
    const next = stacks().find((stack) => !open.value.has(stack.key))
    const used = sessions.reduce((sum, { bytes }) => sum + bytes, 0)
    if (next === undefined || used + stackBytes(next) > deps.memoryBytes) return
    openSession(next)?.loader.focus(middleOf(next))
  }

  let isDrawing = false
  /** One small picture per stack, from the stack in memory where it is, else from one frame fetched for it. */
  async function drawThumbnails(isBusy: boolean): Promise<void> {
    if (isDrawing) return
    isDrawing = true
    try {
      for (const stack of stacks()) {
        if (abort.signal.aborted) return
        if (thumbnails.value.has(stack.key)) continue
        const present = open.value.get(stack.key)
        const shown = active.value?.session
        // On a thin link every frame for a thumbnail delays one that is being waited for.
        const isThin = (shown?.loader.bytesPerSecond() ?? 0) < thinBytesPerSecond
        if (present === undefined && isBusy && isThin) continue
        const drawn = await thumbnailFor(stack, present)
        if (drawn !== undefined)
          thumbnails.value = new Map([...thumbnails.value, [stack.key, drawn]])
      }
    } finally {
      isDrawing = false
    }
  }

  async function thumbnailFor(
    stack: Stack,
    present: StackSession | undefined,
  ): Promise<Thumbnail | undefined> {
    const slice = middleOf(stack)
    if (present !== undefined) {
      if (present.loader.states[slice] !== 'shown') return undefined
      const first = slice * frameLength(stack.format)
      return draw(stack, slice, { samples: present.samples, first, range: present.range.value })
    }
    const { series, format, palette, slices } = stack
    const wanted = slices[slice]
    if (wanted === undefined) return undefined
    try {
      const wire = await deps.fetchFrame(
        { series, sop: wanted.sop, frame: wanted.frame },
        abort.signal,
      )
      const { samples, ...range } = await deps.decoders.decode({ ...wire, format, palette })
      return draw(stack, slice, { samples, first: 0, range })
    } catch {
      // The stack itself will say what is wrong when it is opened; an empty picture stops asking again.
      return { width: 0, height: 0, pixels: new Uint8ClampedArray() }
    }
  }

  function openSession(stack: Stack): StackSession | undefined {
    const present = open.value.get(stack.key)
    if (present !== undefined) return present
    makeRoom(stackBytes(stack))
    try {
      const session = openStack(stack, deps)
      open.value = new Map([...open.value, [stack.key, session]])
      return session
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      outOfMemory.value = true
      return undefined
    }
  }

  /** Lets go of the stacks that were opened first, never of the one on the screen. */
  function makeRoom(bytes: number): void {
    const kept = new Map(open.value)
    let used = [...kept.values()].reduce((sum, session) => sum + session.bytes, 0)
    for (const [key, session] of open.value) {
      if (used + bytes <= deps.memoryBytes) break
      if (session === active.value?.session) continue
      kept.delete(key)
      readers.delete(key)
      used -= session.bytes
      session[Symbol.dispose]()
    }
    open.value = kept
  }

  async function loadContent(entry: SeriesEntry): Promise<void> {
    const uid = entry.summary.uid
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
    if (active.value === undefined && other.value === undefined && first !== undefined) {
      session.show(first)
    }
  }

  const session: StudySession = {
    series,
    active,
    other,
    open,
    outOfMemory,
    thumbnails,
    async start() {
      const summaries = await deps.loadSeries(abort.signal)
      series.value = summaries.map((summary) => ({ summary }))
      for (const summary of readingOrder(summaries)) {
        if (abort.signal.aborted) return
        await loadContent({ summary })
      }
      // A study of documents only shows the first of them.
      const [document] = series.value.flatMap(({ content }) => content?.others ?? [])
      if (active.value === undefined && document !== undefined) session.showOther(document)
    },
    show(stack) {
      outOfMemory.value = false
      const stackSession = openSession(stack)
      if (stackSession === undefined) return
      const reader = readers.get(stack.key) ?? createReader(stackSession)
      readers.set(stack.key, reader)
      batch(() => {
        other.value = undefined
        active.value = reader
      })
      reader.go(reader.slice.value)
    },
    showOther(object) {
      batch(() => {
        active.value = undefined
        other.value = object
      })
    },
    turn(by) {
      const all = stacks()
      const now = all.findIndex(({ key }) => key === active.value?.session.stack.key)
      const next = all[now + by]
      if (next !== undefined) session.show(next)
    },
    retry(which = 'all') {
      for (const entry of series.value) {
        if (entry.failure === undefined) continue
        if (which === 'all' || !deps.isPermanent(entry.failure)) void loadContent(entry)
      }
      for (const { loader } of open.value.values()) loader.retry(which)
    },
    [Symbol.dispose]() {
      abort.abort()
      stopWatching()
      active.value = undefined
      for (const one of open.value.values()) one[Symbol.dispose]()
      open.value = new Map()
      readers.clear()
    },
  }
  return session
}

const thinBytesPerSecond = 1_000_000

const isSettled = ({ loader: { progress } }: StackSession) =>
  progress.loaded + progress.failed === progress.total

const middleOf = (stack: Stack) => (stack.isCine ? 0 : (stack.slices.length - 1) >> 1)

function draw(
  stack: Stack,
  slice: number,
  { samples, first, range }: { samples: Samples; first: number; range: Range },
): Thumbnail {
  const voi = voiOf(stack, slice, { choice: firstChoice(stack), range })
  return thumbnailOf(stack, slice, { samples, first, voi })
}

/** Localizers and documents come after the first series with a body of images. */
export function readingOrder(series: readonly SeriesSummary[]): SeriesSummary[] {
  const hasImages = ({ modality }: SeriesSummary) =>
    !['SR', 'KO', 'PR', 'DOC', 'RTSTRUCT', 'RTPLAN', 'SEG', 'REG', 'ECG'].includes(modality)
  const images = series.filter(hasImages)
  const first = images.find(({ instances }) => instances > 3) ?? images[0] ?? series[0]
  return first === undefined ? [] : [first, ...series.filter((one) => one !== first)]
}
