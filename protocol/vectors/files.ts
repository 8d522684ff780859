import { createFederation } from '../federation.fixture.ts'
import type { Case } from './cases.ts'
import { decisionCases } from './decision-cases.ts'
import { formCases } from './form-cases.ts'
import { nodeCases } from './node-cases.ts'
import { registryCases } from './registry-cases.ts'
import { answerTo } from './vector.ts'

export type VectorFile = { file: string; text: string }

/** Every vector as a file, always the same: keys, times and identifiers are fixed. */
export async function vectorFiles(): Promise<VectorFile[]> {
  const region = await createFederation()
  const cases = [
    ...formCases(region),
    ...(await registryCases(region)),
    ...(await nodeCases(region)),
    ...(await decisionCases(region)),
  ]
  return Promise.all(cases.map(fileOf))
}

async function fileOf({ name, error, vector }: Case): Promise<VectorFile> {
  const answer = error === undefined ? await answerTo(vector) : { error }
  if (error === undefined && 'error' in answer) {
    throw new Error(`${name} should be valid and is refused: ${answer.error}`)
  }
  const text = `${JSON.stringify({ ...vector, ...answer }, null, 2)}\n`
  return { file: `${error === undefined ? 'valid' : 'invalid'}/${name}.json`, text }
}
