import { rm, writeFile } from 'node:fs/promises'

/** Rejects while the disk does not take so many bytes. */
export async function probeDisk(file: string, bytes: number): Promise<void> {
  try {
    await writeFile(file, Buffer.alloc(bytes), {
      flush: true,
      mode: 0o600,
    })
  } finally {
    await rm(file, { force: true })
  }
}
