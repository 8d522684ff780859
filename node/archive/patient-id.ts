import type { DicomJson } from '../dicom/dicom-json.ts'
import { element, textOf } from './attribute-levels.ts'

/** What people type where a patient's identifier is asked for and they have none (DQ-02). */
const placeholder = /^(0+|1|test|тест|unknown|noname|anonymous|б\/н|аноним.*)$/iu

export const isPlaceholderId = (id: string): boolean =>
  id.trim() === '' || placeholder.test(id.trim())

/** The identifier that a study without one is shown and found under: `Q-<node>-<number of its first instance>`. */
export function surrogateOf(
  attributes: DicomJson,
  { node, seq }: { node: string; seq: number },
): DicomJson {
  if (!isPlaceholderId(textOf(attributes, '00100020')) || seq === Number.MAX_SAFE_INTEGER) return {}
  return { '00100020': element('LO', `Q-${node}-${seq}`) }
}

const surrogate = /^Q-[\d.]*-\d+$/

/** Whether the identifier is one that the node made up. */
export const isSurrogateId = (id: string): boolean => surrogate.test(id)
