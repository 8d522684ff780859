import { createHash } from 'node:crypto'
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
  let partial: Promise<Partial> | undefined
  let digests: readonly Sha256[] | undefined
  let isDoubtful = false
  let isDone = false
  let work: Promise<void> = Promise.resolve()

  const store = (): Promise<Partial> => {
    partial ??= openPartial(deps.file, instance.bytes, deps.chunkBytes).catch((cause: unknown) => {
      partial = undefined
      throw cause
    })
    return partial
  }
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const next = work.then(step)
    work = next.catch(() => undefined)
    return next
  }
  const keep = async (index: number, bytes: Uint8Array): Promise<void> => {
    if (isDone || map.get(index) !== 'missing') return
    if (digests !== undefined && digestOf(bytes) !== digests[index]) {
      return onMismatch('a chunk is not what the manifest says')
    }
    await (await store()).write(index, bytes)
    map.set(index, digests === undefined ? 'kept' : 'proven')
    onChange()
    if (map.isWhole()) await finish()
  }
  const finish = async (): Promise<void> => {
    const kept = await store()
    if ((await wholeDigest(kept, map)) === instance.sha256) {
      await kept.release()
      partial = undefined
      await copies.adopt(instance.sha256, deps.file, instance.bytes)
      isDone = true
      return onChange()
    }
    if (digests !== undefined) {
      throw new ProtocolError('digest_mismatch', 'chunks and instance of the manifest disagree')
    }
    if (map.count === 1) {
      map.set(0, 'missing')
      return onMismatch('an instance is not what the manifest says')
    }
    // Their digests will show which chunks are wrong.
    isDoubtful = true
    onChange()
  }
  const prove = async (): Promise<void> => {
    const kept = await store()
    for (let index = 0; index < map.count; index++) {
      if (map.get(index) === 'proven') continue
      const bytes = await kept.read(index, map.lengthOf(index))
      // Where an older process left a hole or half a chunk, the digest is another one too.
      const isRight = digestOf(bytes) === digests?.[index]
      if (!isRight && map.get(index) === 'kept') onMismatch('a chunk is not what the manifest says')
      map.set(index, isRight ? 'proven' : 'missing')
    }
    isDoubtful = false
    onChange()
    if (map.isWhole()) await finish()
  }
  return {
    isDone: (): boolean => isDone,
    isDoubtful: (): boolean => isDoubtful,
    hasDigests: (): boolean => digests !== undefined,
    /** An earlier process left chunks of which nothing is known before their digests are. */
    isOld: async (): Promise<boolean> => (await store()).isOld,
    keep: (index: number, bytes: Uint8Array): Promise<void> => inTurn(() => keep(index, bytes)),
    async learn(chunks: readonly Sha256[]): Promise<void> {
      if (digests !== undefined || isDone) return
      if (chunks.length !== map.count || rootOf(chunks) !== instance.chunksRoot) {
        throw new ProtocolError('manifest_mismatch', 'chunk digests do not belong to the instance')
      }
      digests = chunks
      await inTurn(prove)
    },
    read: async (index: number): Promise<Uint8Array> =>
      await (await store()).read(index, map.lengthOf(index)),
    async close(): Promise<void> {
      await work
      const open = partial
      partial = undefined
      await (await open)?.close()
    },
  }
}

async function wholeDigest(kept: Partial, map: ChunkMap): Promise<string> {
  const whole = createHash('sha256')
  for (let index = 0; index < map.count; index++) {
    whole.update(await kept.read(index, map.lengthOf(index)))
  }
  return whole.digest('hex')
}
