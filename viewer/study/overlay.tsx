import type { ReadonlySignal } from '@preact/signals'
import { edgeLetters } from '../imaging/geometry.ts'
import type { Reader } from '../imaging/reader.ts'
import { useTranslation } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import type { Probe } from './mount-viewport.ts'
import { scaleBar } from './scale-bar.ts'
import { failureText, probeText, seriesTitle, sliceNoun, windowName } from './slice-text.ts'
import type { StudyView } from './study-view.ts'

type OverlayProps = { view: StudyView; reader: Reader; probe: ReadonlySignal<Probe | undefined> }

/** What a reader must know beside the image, in its corners and at its edges. */
export function Overlay({ view, reader, probe }: OverlayProps) {
  const translation = useTranslation()
  const { t, number } = translation
  const { stack } = reader.session
  const slice = stack.slices[reader.slice.value]
  const { center, width } = reader.window.value
  const digits = width < 20 ? 2 : 0
  const isGrey = stack.format.samples === 1
  return (
    <div class="overlay">
      <div class="corner top-left">
        <b>{seriesTitle(stack, translation)}</b>
        <span>
          {stack.modality}
          {stack.description !== '' && ` · ${t('series')} ${stack.number}`}
        </span>
        <span>
          {t(sliceNoun(stack))} <b>{reader.slice.value + 1}</b> / {stack.slices.length}
        </span>
      </div>
      <div class="corner bottom-left">
        {isGrey && (
          <>
            <span>
              {windowName(reader, translation)}
              {reader.inverted.value && ` · ${t('invert').toLowerCase()}`}
            </span>
            <span>
              {t('windowValues', { center: number(center, digits), width: number(width, digits) })}
            </span>
          </>
        )}
        <span>{t('zoomValue', { value: number(view.zoom.value * 100) })}</span>
      </div>
      <div class="corner bottom-right">
        {probe.value !== undefined && (
          <span class="probe">{probeText(probe.value, stack, translation)}</span>
        )}
        {slice?.location !== undefined && (
          <span>{t('position', { value: number(slice.location, 1) })}</span>
        )}
        {stack.gaps?.isEven === false && <span class="caution">{t('missingSlices')}</span>}
        {stack.isLossy && <span class="caution">{t('lossyOriginal')}</span>}
        {stack.spacing === undefined && <span>{t('uncalibrated')}</span>}
      </div>
      <Edges reader={reader} />
      <ScaleBar view={view} reader={reader} />
      <SliceState view={view} reader={reader} />
    </div>
  )
}

/** Which way the patient lies. */
function Edges({ reader }: { reader: Reader }) {
  const orientation = reader.session.stack.slices[reader.slice.value]?.orientation
  if (orientation === undefined) return null
  const letters = edgeLetters(orientation, {
    flipX: reader.flipX.value,
    flipY: reader.flipY.value,
  })
  return (
    <>
      <span class="edge left">{letters.left}</span>
      <span class="edge right">{letters.right}</span>
      <span class="edge top">{letters.top}</span>
      <span class="edge bottom">{letters.bottom}</span>
    </>
  )
}

/** A length to measure by eye; there is none without calibration. */
function ScaleBar({ view, reader }: Pick<OverlayProps, 'view' | 'reader'>) {
  const { t } = useTranslation()
  const { spacing } = reader.session.stack
  if (spacing === undefined) return null
  const { mm, pixels } = scaleBar(view.zoom.value / devicePixelRatio / spacing.column)
  const label = mm >= 10 ? `${mm / 10} ${t('cm')}` : `${mm} ${t('mm')}`
  return (
    <div class="scale-bar" style={{ width: `${pixels}px` }}>
      {label}
    </div>
  )
}

/** In the place of an image that is not there: why, and what can be done. */
function SliceState({ view, reader }: Pick<OverlayProps, 'view' | 'reader'>) {
  const translation = useTranslation()
  const { t } = translation
  const slice = reader.slice.value
  const state = reader.state.value
  if (state === 'shown') return null
  if (state !== 'failed') {
    return (
      <div class="slice-state" role="status">
        <i class="spinner" />
        {t('sliceLoading', { n: slice + 1 })}
      </div>
    )
  }
  return (
    <div class="slice-state failed" role="alert">
      <Icon name="warning" size={28} />
      {failureText(reader.session.loader.failure(slice), slice + 1, translation)}
      <button type="button" class="button" onClick={() => view.session.retry()}>
        {t('retry')}
      </button>
    </div>
  )
}
