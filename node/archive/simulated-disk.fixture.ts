import type { Disk, DiskFile } from './disk.ts'

type Write = { at: number; bytes: Buffer } | { size: number }
type Image = {
  /** What a power cut leaves for certain. */
  synced: Contents
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

/** Bytes of a file. They are changed where they are: a copy for each write would cost more than what is tested. */
type Contents = { bytes(): Buffer; apply(write: Write): void }

function createContents(bytes: Uint8Array = new Uint8Array()): Contents {
  /** Nothing but zeros behind `size`. */
  let memory = Buffer.from(bytes)
  let size = bytes.byteLength

  function resize(to: number): void {
    if (to > memory.byteLength) {
      const larger = Buffer.alloc(Math.max(to, 2 * memory.byteLength))
      memory.copy(larger, 0, 0, size)
      memory = larger
    }
    memory.fill(0, Math.min(to, size), size)
    size = to
  }

  return {
    bytes: () => memory.subarray(0, size),
    apply(write) {
      if ('size' in write) return resize(write.size)
      resize(Math.max(size, write.at + write.bytes.byteLength))
      write.bytes.copy(memory, write.at)
    },
  }
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
  const current = new Map<string, Contents>()
  for (const [name, { synced }] of images) current.set(name, createContents(synced.bytes()))
  const bytesOf = (name: string): Buffer => current.get(name)?.bytes() ?? Buffer.alloc(0)

  const createFile = (name: string, image: Image) =>
    createSimulatedFile({ disk: () => disk, current }, name, image)

  const disk: SimulatedDisk = {
    faults: {},
    syncs: 0,
    ignoreSyncs: false,
    list: async () => [...images].flatMap(([name, { isRemoved }]) => (isRemoved ? [] : [name])),
    size: async (name) => bytesOf(name).byteLength,
    async remove(name) {
      const image = images.get(name)
      if (image !== undefined) image.isRemoved = true
    },
    async open(name, mode) {
      let image = images.get(name)
      if (mode === 'create') {
        if (image !== undefined) throw new Error(`${name} exists`)
        image = { synced: createContents(), unsynced: [], isNamed: false }
        current.set(name, createContents())
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
    contents: (name) => Buffer.from(bytesOf(name)),
    replace(name, bytes) {
      images.set(name, { synced: createContents(bytes), unsynced: [], isNamed: true })
      current.set(name, createContents(bytes))
    },
    powerCut: (keeps) => createSimulatedDisk(imagesAfterCut(images, keeps)),
  }
  return disk
}

type Around = { disk: () => SimulatedDisk; current: Map<string, Contents> }

function createSimulatedFile({ disk, current }: Around, name: string, image: Image): DiskFile {
  const now = (): Buffer => current.get(name)?.bytes() ?? Buffer.alloc(0)
  const change = (write: Write): void => {
    image.unsynced.push(write)
    current.get(name)?.apply(write)
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
      for (const write of image.unsynced) image.synced.apply(write)
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
    const contents = createContents(synced.bytes())
    for (const write of unsynced) {
      const kept = keeps()
      if (kept <= 0) continue
      if ('size' in write || kept >= 1) {
        contents.apply(write)
        continue
      }
      const sectors = Math.floor((write.bytes.byteLength * kept) / 512) * 512
      contents.apply({ at: write.at, bytes: write.bytes.subarray(0, sectors) })
    }
    left.set(name, { synced: contents, unsynced: [], isNamed: true })
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
