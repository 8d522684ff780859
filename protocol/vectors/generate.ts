import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { vectorFiles } from './files.ts'

/** Writes the vectors beside this file: `node protocol/vectors/generate.ts`, after every intended change of the format. */
for (const { file, text } of await vectorFiles()) {
  const target = path.join(import.meta.dirname, file)
  await mkdir(path.dirname(target), { recursive: true })
  await writeFile(target, text)
}
