import type { Key, Translation } from '../i18n/i18n.ts'
import type { Reader } from '../imaging/reader.ts'
import type { Stack } from '../imaging/stacks.ts'
import { ctPresets } from '../imaging/windowing.ts'
import type { Probe } from './mount-viewport.ts'

/** The words around an image. */
type Texts = Pick<Translation, 't' | 'number' | 'count'>

export const seriesTitle = (
  { number, description }: Pick<Stack, 'number' | 'description'>,
  { t }: Pick<Translation, 't'>,
): string => (description === '' ? `${t('series')} ${number}`.trim() : description)

const presetKeys = {
  lungs: 'presetLungs',
  bone: 'presetBone',
  brain: 'presetBrain',
  mediastinum: 'presetMediastinum',
  abdomen: 'presetAbdomen',
} as const satisfies { [name: string]: Key }

export const presetKey = (name: keyof typeof presetKeys): Key => presetKeys[name]

type Shown = Pick<Reader, 'choiceShown' | 'slice'> & { session: Pick<Reader['session'], 'stack'> }

/** How the window that is on the screen is called. */
export function windowName({ choiceShown, session, slice }: Shown, texts: Texts): string {
  const { t } = texts
  const now = choiceShown.value
  if (now.kind === 'auto') return t('presetAuto')
  if (now.kind === 'table') {
    const tables = session.stack.slices[slice.value]?.tables
    return tables?.[now.index]?.name || t('presetTable')
  }
  if (now.kind === 'file') {
    return fileWindowName(session.stack, { slice: slice.value, index: now.index }, texts)
  }
  const known = ctPresets.find(([, { center, width }]) => {
    return center === now.window.center && width === now.window.width
  })
  return t(known === undefined ? 'presetManual' : presetKeys[known[0]])
}

export function fileWindowName(
  stack: Stack,
  { slice, index }: { slice: number; index: number },
  { t }: Texts,
): string {
  const windows = stack.slices[slice]?.windows ?? []
  const name = windows[index]?.name ?? ''
  if (name !== '') return name
  return windows.length > 1 ? t('presetFileN', { n: index + 1 }) : t('presetFile')
}

/** Slice, frame or image, by what the stack is. */
export function sliceNoun({ isCine, slices, orientation }: Stack): Key {
  if (isCine) return 'frame'
  return orientation !== undefined && slices.length > 1 ? 'slice' : 'image'
}

export function probeText(probe: Probe, stack: Stack, { number }: Texts): string {
  const place = `${probe.column}, ${probe.row}`
  const values = probe.values.map((value) => number(value, 2)).join(' ')
  return `${place} · ${values}${stack.unit === '' ? '' : ` ${stack.unit}`}`
}

/** Why a slice is not shown, in words for the reader. */
export function failureText(failure: Error | undefined, n: number, { t }: Texts): string {
  const reason = failure?.message ?? ''
  if (/unsupported/.test(reason)) return t('sliceUnsupported', { n })
  if (/colour table/.test(reason)) return t('sliceNoTable', { n })
  if (/is cut|does not fit/.test(reason)) return t('sliceCut', { n })
  return t('sliceFailed', { n })
}
