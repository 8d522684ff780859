import type { Disk, DiskFile } from './disk.ts'

type Write = { at: number; bytes: Buffer } | { size: number }
type Image = {
  /** What a power cut leaves for certain. */
  synced: Buffer
  /** Since the last sync, in order. */
  unsynced: Write[]
  isNamed: boolean
  /** Removed, but the folder was not synced since: a power cut may bring it back. */
  isRemoved?: boolean
}

export type Fault = 'EIO' | 'ENOSPC' | 'EINTR'
/** Decides about each operation: fail it, shorten it, or let it be. */
export type Faults = {
  write?: (bytes: number) => Fault | number | undefined
  sync?: () => Fault | undefined
  freeBytes?: () => number
}

export type SimulatedDisk = Disk & {
  /** May be changed at any time. */
  faults: Faults
  syncs: number
  /**
   * The disk after a power cut: synced bytes, and of the rest what `keeps` says: each unsynced write is kept whole, in
   * part (in sectors of 512 bytes) or not at all; names that were not synced are gone.
   */
  powerCut(keeps: () => number): SimulatedDisk
  /** The bytes of a file as a reader sees them now. */
  contents(name: string): Buffer
  replace(name: string, bytes: Buffer): void
  /** With syncs that do nothing, as a mutation of the code under test. */
  ignoreSyncs: boolean
}

const applied = (image: Image): Buffer => image.unsynced.reduce(applyWrite, image.synced)

function applyWrite(before: Buffer, write: Write): Buffer {
  if ('size' in write) {
    const resized = Buffer.alloc(write.size)
    before.copy(resized)
    return resized
  }
  const end = write.at + write.bytes.byteLength
  const after = end > before.byteLength ? Buffer.alloc(end) : Buffer.from(before)
  before.copy(after)
  write.bytes.copy(after, write.at)
  return after
}

/** Takes so many bytes more and is full then. */
export function withRoom(room: number): NonNullable<Faults['write']> {
  let left = room
  return (bytes) => {
    if (left === 0) return 'ENOSPC'
    const taken = Math.min(bytes, left)
    left -= taken
    return taken
  }
}

const failed = (code: Fault): Error => Object.assign(new Error(`simulated ${code}`), { code })

/** A disk in memory that can fail, fill up, write less than it was given, and lose its power. */
export function createSimulatedDisk(images = new Map<string, Image>()): SimulatedDisk {
  const current = new Map<string, Buffer>()
  for (const [name, image] of images) current.set(name, applied(image))

  const createFile = (name: string, image: Image) =>
    createSimulatedFile({ disk: () => disk, current }, name, image)

  const disk: SimulatedDisk = {
    faults: {},
    syncs: 0,
    ignoreSyncs: false,
    list: async () => [...images].flatMap(([name, { isRemoved }]) => (isRemoved ? [] : [name])),
    size: async (name) => (current.get(name) ?? Buffer.alloc(0)).byteLength,
    async remove(name) {
      const image = images.get(name)
      if (image !== undefined) image.isRemoved = true
    },
    async open(name, mode) {
      let image = images.get(name)
      if (mode === 'create') {
        if (image !== undefined) throw new Error(`${name} exists`)
        image = { synced: Buffer.alloc(0), unsynced: [], isNamed: false }
        images.set(name, image)
      }
      if (image === undefined || image.isRemoved) throw new Error(`no ${name}`)
      return createFile(name, image)
    },
    async syncNames() {
      if (disk.ignoreSyncs) return
      for (const [name, image] of images) {
        image.isNamed = true
        if (image.isRemoved) images.delete(name)
      }
    },
    freeSpace: async () => ({ freeBytes: disk.faults.freeBytes?.() ?? 1e12, totalBytes: 1e12 }),
    contents: (name) => Buffer.from(current.get(name) ?? Buffer.alloc(0)),
    replace(name, bytes) {
      images.set(name, { synced: bytes, unsynced: [], isNamed: true })
      current.set(name, bytes)
    },
    powerCut: (keeps) => createSimulatedDisk(imagesAfterCut(images, keeps)),
  }
  return disk
}

type Around = { disk: () => SimulatedDisk; current: Map<string, Buffer> }

function createSimulatedFile({ disk, current }: Around, name: string, image: Image): DiskFile {
  const now = (): Buffer => current.get(name) ?? Buffer.alloc(0)
  const change = (write: Write): void => {
    image.unsynced.push(write)
    current.set(name, applyWrite(now(), write))
  }
  return {
    size: async () => now().byteLength,
    async write(buffers, position) {
      const bytes = Buffer.concat(buffers)
      const fault = disk().faults.write?.(bytes.byteLength)
      if (typeof fault === 'string') throw failed(fault)
      const kept = bytes.subarray(0, fault ?? bytes.byteLength)
      change({ at: position, bytes: kept })
      return kept.byteLength
    },
    async read(into, position) {
      return now().copy(into, 0, position)
    },
    async sync() {
      // A real one takes its time: whoever does not wait for it is caught.
      await new Promise((resolve) => setImmediate(resolve))
      const fault = disk().faults.sync?.()
      if (fault !== undefined) throw failed(fault)
      disk().syncs++
      if (disk().ignoreSyncs) return
      image.synced = applied(image)
      image.unsynced = []
    },
    truncate: async (size) => change({ size }),
    close: async () => {},
  }
}

function imagesAfterCut(images: Map<string, Image>, keeps: () => number): Map<string, Image> {
  const left = new Map<string, Image>()
  for (const [name, { synced, unsynced, isNamed, isRemoved }] of images) {
    if (!isNamed || (isRemoved && keeps() > 0.5)) continue
    let bytes = synced
    for (const write of unsynced) {
      const kept = keeps()
      if (kept <= 0) continue
      if ('size' in write || kept >= 1) {
        bytes = applyWrite(bytes, write)
        continue
      }
      const sectors = Math.floor((write.bytes.byteLength * kept) / 512) * 512
      bytes = applyWrite(bytes, { at: write.at, bytes: write.bytes.subarray(0, sectors) })
    }
    left.set(name, { synced: bytes, unsynced: [], isNamed: true })
  }
  return left
}

/** Numbers from 0 to 1, the same for the same seed. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
