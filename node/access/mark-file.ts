import { mkdir, open, readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import type { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'

/** The highest that was ever reached, beside the database that could forget it; undefined when there is no file. */
export async function readMark<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new ProtocolError(
      'storage_corrupt',
      `${file} is damaged: restore it, or remove it after making sure that the records are not from an old copy`,
      { cause },
    )
  }
}

/** On disk under its final name, or not at all. */
export async function writeMark(file: string, mark: unknown): Promise<void> {
  const draft = `${file}.new`
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  const handle = await open(draft, 'w', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(mark)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
  const folder = await open(path.dirname(file), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
