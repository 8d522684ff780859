import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Reader } from '../imaging/reader.ts'
import { useTranslation } from '../parts/app-context.ts'
import { runCine, screenTicker } from './cine.ts'
import { mountViewport, type Probe } from './mount-viewport.ts'
import { Overlay } from './overlay.tsx'
import { SliceStrip } from './slice-strip.tsx'
import type { StudyView } from './study-view.ts'

export type ViewportProps = { view: StudyView; reader: Reader }

/** One stack: the image, the words around it, and the strip of its slices. */
export function Viewport({ view, reader }: ViewportProps) {
  const { t } = useTranslation()
  const host = useRef<HTMLDivElement>(null)
  const probe = useSignal<Probe | undefined>(undefined)
  useEffect(
    () =>
      host.current === null ? undefined : mountViewport(host.current, { view, reader, probe }),
    [reader],
  )
  useEffect(() => runCine(reader, screenTicker), [reader])

  const { stack, loader, revision } = reader.session
  // Reading the revision redraws the counters with every frame that arrives.
  void revision.value
  const slice = reader.slice.value
  const isShown = reader.state.value === 'shown'
  const isStack = stack.slices.length > 1
  const classes = [`viewport mode-${view.mode.value}`]
  if (isStack) classes.push('has-strip')
  if (!isShown) classes.push('is-waiting')
  const label = t('viewport', {
    series: stack.number,
    slice: slice + 1,
    slices: stack.slices.length,
  })
  return (
    <div
      class={classes.join(' ')}
      role="img"
      aria-label={label}
      data-testid="viewport"
      data-series={stack.series}
      data-sop={stack.slices[slice]?.sop}
      data-slice={slice}
      data-loaded={loader.progress.loaded}
      data-total={loader.progress.total}
      data-quality={isShown ? 'full' : 'none'}
      data-zoom={view.zoom.value}
      data-window-center={reader.window.value.center}
      data-window-width={reader.window.value.width}
    >
      <div class="viewport-image" ref={host} />
      <Overlay view={view} reader={reader} probe={probe} />
      {isStack && <SliceStrip reader={reader} />}
    </div>
  )
}
