import { ctPresets, type WindowChoice } from '../imaging/windowing.ts'

/** Window choices as the values of a menu: `file 0`, `table 1`, `auto`, `ct lungs`, `manual`. */
export function codeOf(choice: WindowChoice): string {
  if (choice.kind === 'auto') return 'auto'
  if (choice.kind !== 'manual') return `${choice.kind} ${choice.index}`
  const { center, width } = choice.window
  const preset = ctPresets.find(([, known]) => known.center === center && known.width === width)
  return preset === undefined ? 'manual' : `ct ${preset[0]}`
}

export function choiceFrom(code: string): WindowChoice | undefined {
  const [kind, name = ''] = code.split(' ')
  if (kind === 'auto') return { kind }
  if (kind === 'file' || kind === 'table') return { kind, index: Number(name) }
  const preset = ctPresets.find(([known]) => kind === 'ct' && known === name)
  return preset === undefined ? undefined : { kind: 'manual', window: preset[1] }
}
