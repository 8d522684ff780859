import type { Key } from '../i18n/i18n.ts'

/** Everything that a reader can do with the keyboard. The help sheet is made from the same table as the keys. */
export type Command =
  | 'sliceNext'
  | 'slicePrevious'
  | 'sliceNextTen'
  | 'slicePreviousTen'
  | 'sliceFirst'
  | 'sliceLast'
  | 'seriesNext'
  | 'seriesPrevious'
  | 'modeWindow'
  | 'modePan'
  | 'modeZoom'
  | 'modeScroll'
  | 'presetLungs'
  | 'presetBone'
  | 'presetBrain'
  | 'presetMediastinum'
  | 'presetAbdomen'
  | 'windowFile'
  | 'windowAuto'
  | 'windowWider'
  | 'windowNarrower'
  | 'windowUp'
  | 'windowDown'
  | 'fit'
  | 'actual'
  | 'zoomIn'
  | 'zoomOut'
  | 'panLeft'
  | 'panRight'
  | 'panUp'
  | 'panDown'
  | 'invert'
  | 'flipX'
  | 'flipY'
  | 'reset'
  | 'play'
  | 'slower'
  | 'faster'
  | 'rail'
  | 'help'
  | 'back'

/** A line of the help sheet: what it does, and the chords of each of its commands. */
export type Binding = { text: Key; commands: readonly (readonly [Command, ...string[]])[] }

/** Chords name keys by place and not by letter, so that they work on a Russian layout too. */
export const bindings: readonly Binding[] = [
  {
    text: 'keySlices',
    commands: [
      ['slicePrevious', 'ArrowUp'],
      ['sliceNext', 'ArrowDown'],
    ],
  },
  {
    text: 'keyTen',
    commands: [
      ['slicePreviousTen', 'PageUp'],
      ['sliceNextTen', 'PageDown'],
    ],
  },
  {
    text: 'keyEnds',
    commands: [
      ['sliceFirst', 'Home'],
      ['sliceLast', 'End'],
    ],
  },
  {
    text: 'keySeries',
    commands: [
      ['seriesPrevious', 'ArrowLeft'],
      ['seriesNext', 'ArrowRight'],
    ],
  },
  {
    text: 'keyModes',
    commands: [
      ['modeWindow', 'KeyW'],
      ['modePan', 'KeyP'],
      ['modeZoom', 'KeyZ'],
      ['modeScroll', 'KeyS'],
    ],
  },
  {
    text: 'keyPresets',
    commands: [
      ['presetLungs', 'Digit1', 'Numpad1'],
      ['presetBone', 'Digit2', 'Numpad2'],
      ['presetBrain', 'Digit3', 'Numpad3'],
      ['presetMediastinum', 'Digit4', 'Numpad4'],
      ['presetAbdomen', 'Digit5', 'Numpad5'],
    ],
  },
  {
    text: 'keyFileWindow',
    commands: [
      ['windowFile', 'KeyD'],
      ['windowAuto', 'KeyA'],
    ],
  },
  {
    text: 'keyWindow',
    commands: [
      ['windowNarrower', 'Shift+ArrowLeft'],
      ['windowWider', 'Shift+ArrowRight'],
      ['windowUp', 'Shift+ArrowUp'],
      ['windowDown', 'Shift+ArrowDown'],
    ],
  },
  {
    text: 'keyFit',
    commands: [
      ['fit', 'KeyF'],
      ['actual', 'Digit0', 'Numpad0'],
    ],
  },
  {
    text: 'keyZoom',
    commands: [
      ['zoomIn', 'Equal', 'Shift+Equal', 'NumpadAdd'],
      ['zoomOut', 'Minus', 'NumpadSubtract'],
    ],
  },
  {
    text: 'keyPan',
    commands: [
      ['panLeft', 'Ctrl+ArrowLeft'],
      ['panRight', 'Ctrl+ArrowRight'],
      ['panUp', 'Ctrl+ArrowUp'],
      ['panDown', 'Ctrl+ArrowDown'],
    ],
  },
  { text: 'keyInvert', commands: [['invert', 'KeyI']] },
  {
    text: 'keyFlip',
    commands: [
      ['flipX', 'KeyH'],
      ['flipY', 'KeyV'],
    ],
  },
  { text: 'keyReset', commands: [['reset', 'KeyR']] },
  { text: 'keyPlay', commands: [['play', 'Space']] },
  {
    text: 'keySpeed',
    commands: [
      ['slower', 'BracketLeft'],
      ['faster', 'BracketRight'],
    ],
  },
  { text: 'keyRail', commands: [['rail', 'KeyL']] },
  { text: 'keyHelp', commands: [['help', 'F1', '?']] },
  { text: 'keyBack', commands: [['back', 'Escape']] },
]

const byChord = new Map(
  bindings.flatMap(({ commands }) =>
    commands.flatMap(([command, ...chords]) => chords.map((chord) => [chord, command] as const)),
  ),
)

export type KeyPress = Pick<
  KeyboardEvent,
  'code' | 'key' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey'
>

export function commandOf(press: KeyPress): Command | undefined {
  const { code, key, ctrlKey, shiftKey, altKey, metaKey } = press
  // Combinations with these belong to the browser and the system.
  if (altKey || metaKey) return undefined
  // The question mark moves from layout to layout, so it is known by what it writes.
  if (key === '?') return 'help'
  return byChord.get(`${ctrlKey ? 'Ctrl+' : ''}${shiftKey ? 'Shift+' : ''}${code}`)
}

/** The first chord of a command, for tooltips. */
export function chordOf(command: Command): string {
  for (const { commands } of bindings) {
    for (const [name, chord] of commands) if (name === command) return chord ?? ''
  }
  return ''
}

const caps: { [part: string]: string | undefined } = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  PageUp: 'PgUp',
  PageDown: 'PgDn',
  Equal: '+',
  Minus: '−',
  BracketLeft: '[',
  BracketRight: ']',
  Escape: 'Esc',
}

/** What stands on the keys of a chord. */
export const keyCaps = (chord: string): string[] =>
  chord
    .split('+')
    .map((part) => caps[part] ?? part.replace(/^(Key|Digit|Numpad)(?=.)/, ''))
    .filter((part) => part !== '')

/** The caps of a line, chords with the same modifiers put together: `Shift` `←` `→`. */
export function capGroups({ commands }: Binding): string[][] {
  const groups: string[][] = []
  for (const [, chord = ''] of commands) {
    const keys = keyCaps(chord)
    const last = groups.at(-1)
    const isSame = keys.length > 1 && last !== undefined && last[0] === keys[0]
    if (isSame) last.push(...keys.slice(1))
    else groups.push(keys)
  }
  return groups
}

/** Typing in a field, and keys that move a control of its own, are not commands. */
export function isForControl(target: unknown, code: string): boolean {
  const { tagName, type } = (target ?? {}) as { tagName?: string; type?: string }
  if (tagName === 'INPUT') return type !== 'range' && type !== 'checkbox'
  if (tagName === 'TEXTAREA' || tagName === 'SELECT') return true
  return (tagName === 'BUTTON' || tagName === 'A') && (code === 'Enter' || code === 'Space')
}
