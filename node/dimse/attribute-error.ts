import { ProtocolError } from '#protocol/errors.ts'
import { keywordOf } from '../dicom/dictionary.ts'

/** A required attribute is absent or has no value, or a key holds what it may not. */
export type AttributeProblem =
  | 'missing'
  | 'empty'
  | 'not a UID'
  | 'not a date or time'
  | 'not a level of this model'
  | 'not a single value'

/** A request that fails by some of its attributes: who asked hears which they are, and nobody what they held. */
export class AttributeError extends ProtocolError {
  readonly problem: AttributeProblem
  readonly tags: readonly string[]

  constructor(problem: AttributeProblem, ...tags: readonly string[]) {
    super('bad_request', `${problem}: ${tags.map((tag) => keywordOf(tag) ?? tag).join(', ')}`)
    this.problem = problem
    this.tags = tags
  }
}
