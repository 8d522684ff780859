import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { corpusDir } from '../corpus.ts'
import { runTool } from './call.ts'
import type { Accepted } from './round-trip.ts'
import type { Stage } from './stage.ts'

/** Errors that `dciodvfy` finds in what the node gives out, and not in the file that it got. */
export type NewErrors = {
  checked: number
  withErrors: number
  added: { file: string; errors: string[] }[]
}

export async function compareErrors(
  { reader, scratch }: Stage,
  accepted: readonly Accepted[],
): Promise<NewErrors> {
  const result: NewErrors = { checked: 0, withErrors: 0, added: [] }
  const copy = path.join(scratch, 'retrieved.dcm')
  for (const { file, study, series, sop } of accepted) {
    const at = `/dicom-web/studies/${study}/series/${series}/instances/${sop}`
    const answer = await reader.get(at, { accept: 'application/dicom; transfer-syntax=*' })
    await writeFile(copy, new Uint8Array(await answer.arrayBuffer()))
    const [before, after] = [await errorsOf(file), await errorsOf(copy)]
    const errors = [...after].filter((error) => !before.has(error))
    result.checked++
    if (before.size > 0) result.withErrors++
    if (errors.length > 0) result.added.push({ file: path.relative(corpusDir, file), errors })
  }
  return result
}

async function errorsOf(file: string): Promise<Set<string>> {
  const { output } = await runTool('dciodvfy', [file])
  return new Set(output.split('\n').filter((line) => line.startsWith('Error')))
}
