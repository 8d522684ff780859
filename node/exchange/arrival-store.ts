import { ProtocolError } from '#protocol/errors.ts'
import type { Sha256 } from '#protocol/ids.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import type { ChunkMap } from './chunk-map.ts'
import type { Copies } from './copies.ts'
import { digestOf, rootOf } from './digests.ts'
import { openPartial } from './partial.ts'
import type { Partial } from './partial.ts'

export type ArrivalStoreDeps = {
  instance: ManifestInstance
  file: string
  copies: Copies
  chunkBytes: number
  map: ChunkMap
  /** Wrong bytes came. */
  onMismatch: (what: string) => void
  onChange: () => void
}

/**
 * The disk side of an arrival: keeps chunks, proves them as soon as their digests are known, and makes a copy of the
 * whole once its digest is right. One step at a time, so that the map and the file agree.
 */
export function createArrivalStore(deps: ArrivalStoreDeps) {
  const { instance, map, copies, onMismatch, onChange } = deps
  const file = createLazyFile(deps.file, instance.bytes, deps.chunkBytes)
  const turns = createTurns()
  let digests: readonly Sha256[] | undefined
  let isDoubtful = false
  let isDone = false

  const keep = async (index: number, bytes: Uint8Array): Promise<void> => {
    if (isDone || map.get(index) !== 'missing') return
    const isWrong = digests !== undefined && digestOf(bytes) !== digests[index]
    if (isWrong) return onMismatch(wrongChunk)
    await (await file.get()).write(index, bytes)
    map.set(index, digests === undefined ? 'kept' : 'proven')
    onChange()
    await finish()
  }
  const finish = async (): Promise<void> => {
    if (isDone || isDoubtful || !map.isWhole()) return
    const kept = await file.get()
    if ((await wholeDigest(kept, map)) === instance.chunksRoot) {
      await kept.release()
      file.forget()
      await copies.adopt(instance.chunksRoot, deps.file, instance.bytes)
      isDone = true
      return onChange()
    }
    if (digests !== undefined) return startOver(map)
    // Of several, their digests will show which are wrong.
    isDoubtful = map.count > 1
    if (isDoubtful) return onChange()
    map.set(0, 'missing')
    onMismatch(wrongChunk)
  }
  const prove = async (): Promise<void> => {
    const kept = await file.get()
    for (let index = 0; index < map.count; index++) {
      if (map.get(index) === 'proven') continue
      const bytes = await kept.read(index, map.lengthOf(index))
      // Where an older process left a hole or half a chunk, the digest is another one too.
      const isRight = digestOf(bytes) === digests?.[index]
      if (!isRight && map.get(index) === 'kept') onMismatch(wrongChunk)
      map.set(index, isRight ? 'proven' : 'missing')
    }
    isDoubtful = false
    onChange()
    await finish()
  }
  return {
    isDone: (): boolean => isDone,
    hasDigests: (): boolean => isDone || digests !== undefined,
    /** Of what an earlier process left, and of what turned out wrong, nothing is known before the digests are. */
    isUnknown: () => turns.take(async () => !isDone && (isDoubtful || (await file.get()).isOld)),
    keep: (index: number, bytes: Uint8Array): Promise<void> => turns.take(() => keep(index, bytes)),
    async learn(chunks: readonly Sha256[]): Promise<void> {
      if (digests !== undefined || isDone) return
      checkDigests(instance, map.count, chunks)
      digests = chunks
      await turns.take(prove)
    },
    /** Nothing once the whole is done: then the copy has it. */
    read: (index: number): Promise<Uint8Array | undefined> =>
      turns.take(async () =>
        isDone ? undefined : await (await file.get()).read(index, map.lengthOf(index)),
      ),
    /** Whatever has come is judged; a copy that could not be made is tried again. */
    settled: () => turns.take(finish),
    close: () => turns.take(() => file.close()),
  }
}

const wrongChunk = 'a chunk is not what the manifest says'

/** Each chunk was right when it came and the whole is not: the disk altered it, and nothing of it is kept. */
function startOver(map: ChunkMap): never {
  for (let index = 0; index < map.count; index++) map.set(index, 'missing')
  throw new ProtocolError('digest_mismatch', 'proven chunks were altered on the disk')
}

/** Opened by the first who needs it. */
function createLazyFile(name: string, bytes: number, chunkBytes: number) {
  let partial: Promise<Partial> | undefined
  let isClosed = false
  const forget = (): void => {
    partial = undefined
  }
  return {
    forget,
    async get(): Promise<Partial> {
      if (isClosed) throw new ProtocolError('aborted', 'nobody waits for it any more')
      partial ??= openPartial(name, bytes, chunkBytes).catch((cause: unknown) => {
        forget()
        throw cause
      })
      return await partial
    },
    async close(): Promise<void> {
      isClosed = true
      const open = partial
      forget()
      await (await open)?.close()
    },
  }
}

function createTurns() {
  let last: Promise<unknown> = Promise.resolve()
  return {
    take<T>(step: () => Promise<T>): Promise<T> {
      const next = last.then(step)
      last = next.catch(() => undefined)
      return next
    },
  }
}

function checkDigests(
  { chunksRoot }: ManifestInstance,
  count: number,
  chunks: readonly Sha256[],
): void {
  if (chunks.length === count && rootOf(chunks) === chunksRoot) return
  throw new ProtocolError('manifest_mismatch', 'chunk digests do not belong to the instance')
}

async function wholeDigest(kept: Partial, map: ChunkMap): Promise<string> {
  const chunks: Sha256[] = []
  for (let index = 0; index < map.count; index++) {
    chunks.push(digestOf(await kept.read(index, map.lengthOf(index))))
  }
  return rootOf(chunks)
}
