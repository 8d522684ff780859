import type { Key } from '../i18n/i18n.ts'
import type { Mode, Reader } from '../imaging/reader.ts'
import { ctPresets } from '../imaging/windowing.ts'
import { useTranslation } from '../parts/app-context.ts'
import { Icon, type IconName } from '../parts/icons.tsx'
import { chordOf, type Command, keyCaps } from './keys.ts'
import { choiceFrom, codeOf } from './preset-choice.ts'
import { fileWindowName, presetKey, windowName } from './slice-text.ts'
import type { StudyView } from './study-view.ts'

const modes: readonly (readonly [Mode, Command, Key, IconName])[] = [
  ['window', 'modeWindow', 'toolWindow', 'window'],
  ['pan', 'modePan', 'toolPan', 'pan'],
  ['zoom', 'modeZoom', 'toolZoom', 'zoom'],
  ['scroll', 'modeScroll', 'toolScroll', 'scroll'],
]

/** The tools of the reader; every button says its key. */
export function Toolbar({ view }: { view: StudyView }) {
  const { t } = useTranslation()
  const reader = view.session.active.value
  const button = (command: Command, key: Key, icon: IconName, isOn?: boolean) => (
    <ToolButton view={view} command={command} label={t(key)} icon={icon} isOn={isOn} />
  )
  return (
    <div class="toolbar" role="toolbar" aria-label={t('tools')}>
      {button('rail', 'seriesList', 'images', view.isRailOpen.value)}
      <i class="gap" />
      {modes.map(([mode, command, key, icon]) => (
        <ToolButton
          key={mode}
          view={view}
          command={command}
          label={t(key)}
          icon={icon}
          isOn={view.mode.value === mode}
          hasText
        />
      ))}
      {reader !== undefined && (
        <>
          <i class="gap" />
          {reader.session.stack.format.samples === 1 && <PresetMenu reader={reader} />}
          {button('invert', 'invert', 'invert', reader.inverted.value)}
          <i class="gap" />
          {button('fit', 'fit', 'fit')}
          <button
            type="button"
            class="tool text"
            title={titleOf(t('actualHint'), 'actual')}
            data-testid="actual-size"
            onClick={() => view.run('actual')}
          >
            {t('actual')}
          </button>
          {button('flipX', 'flipX', 'flipX', reader.flipX.value)}
          {button('flipY', 'flipY', 'flipY', reader.flipY.value)}
          {button('reset', 'reset', 'reset')}
          {reader.session.stack.slices.length > 1 && <Cine view={view} reader={reader} />}
        </>
      )}
      <i class="stretch" />
      {button('help', 'help', 'help')}
    </div>
  )
}

const titleOf = (label: string, command: Command) =>
  `${label} (${keyCaps(chordOf(command)).join('+')})`

type ToolButtonProps = {
  view: StudyView
  command: Command
  label: string
  icon: IconName
  isOn?: boolean | undefined
  hasText?: boolean
}

function ToolButton({ view, command, label, icon, isOn, hasText }: ToolButtonProps) {
  return (
    <button
      type="button"
      class={hasText === true ? 'tool text' : 'tool'}
      title={titleOf(label, command)}
      aria-label={label}
      {...(isOn === undefined ? {} : { 'aria-pressed': isOn })}
      data-testid={`tool-${command}`}
      onClick={() => view.run(command)}
    >
      <Icon name={icon} />
      {hasText === true && <span>{label}</span>}
    </button>
  )
}

/** The windows of the file, the customary ones of CT, and the whole range. */
function PresetMenu({ reader }: { reader: Reader }) {
  const translation = useTranslation()
  const { t } = translation
  const { stack } = reader.session
  const slice = reader.slice.value
  const { windows = [], tables = [] } = stack.slices[slice] ?? {}
  const code = codeOf(reader.choiceShown.value)
  return (
    <select
      class="select preset"
      aria-label={t('presets')}
      data-testid="presets"
      value={code}
      onChange={(event) => {
        const chosen = choiceFrom(event.currentTarget.value)
        if (chosen !== undefined) reader.choice.value = chosen
        // The keyboard goes back to the image.
        event.currentTarget.blur()
      }}
    >
      {windows.map((_, index) => (
        <option key={index} value={`file ${index}`}>
          {fileWindowName(stack, { slice, index }, translation)}
        </option>
      ))}
      {tables.map((table, index) => (
        <option key={index} value={`table ${index}`}>
          {table.name || t('presetTable')}
        </option>
      ))}
      <option value="auto">{t('presetAuto')}</option>
      {stack.modality === 'CT' &&
        ctPresets.map(([name]) => (
          <option key={name} value={`ct ${name}`}>
            {t(presetKey(name))}
          </option>
        ))}
      {code === 'manual' && <option value="manual">{windowName(reader, translation)}</option>}
    </select>
  )
}

function Cine({ view, reader }: { view: StudyView; reader: Reader }) {
  const { t } = useTranslation()
  const isPlaying = reader.isPlaying.value
  return (
    <>
      <i class="gap" />
      <ToolButton
        view={view}
        command="play"
        label={t(isPlaying ? 'pause' : 'play')}
        icon={isPlaying ? 'pause' : 'play'}
        isOn={isPlaying}
      />
      <label class="rate">
        <input
          type="range"
          min={1}
          max={60}
          value={reader.frameRate.value}
          aria-label={t('frameRate')}
          onInput={(event) => (reader.frameRate.value = Number(event.currentTarget.value))}
        />
        <span>
          {reader.frameRate.value} {t('frameRate')}
        </span>
      </label>
    </>
  )
}
