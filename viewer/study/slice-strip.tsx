import { useEffect, useRef } from 'preact/hooks'
import type { FrameState } from '../imaging/next-slice.ts'
import type { Reader } from '../imaging/reader.ts'
import { useTranslation } from '../parts/app-context.ts'

/** All slices of a stack from top to bottom: what has arrived, what has failed, where the reader is. */
export function SliceStrip({ reader }: { reader: Reader }) {
  const { t } = useTranslation()
  const canvas = useRef<HTMLCanvasElement>(null)
  const { loader, revision, stack } = reader.session
  const count = stack.slices.length
  const slice = reader.slice.value
  const seen = revision.value
  useEffect(() => {
    if (canvas.current !== null) paint(canvas.current, loader.states)
  }, [seen, reader])

  const go = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const box = event.currentTarget.getBoundingClientRect()
    reader.go(Math.floor(((event.clientY - box.top - 8) / (box.height - 16)) * count))
  }
  return (
    <div
      class="strip"
      role="slider"
      aria-orientation="vertical"
      aria-label={t('sliceSlider')}
      aria-valuemin={1}
      aria-valuemax={count}
      aria-valuenow={slice + 1}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        go(event)
      }}
      onPointerMove={(event) => {
        if (event.buttons !== 0) go(event)
      }}
    >
      <canvas ref={canvas} width={1} height={Math.min(count, 2048)} />
      <i
        class="cursor"
        // The track begins and ends 8 px inside the strip.
        style={{ top: `calc(8px + (100% - 16px) * ${(slice + 0.5) / count})` }}
      />
    </div>
  )
}

const colours: { [S in FrameState]: readonly [number, number, number] } = {
  absent: [30, 36, 46],
  loading: [52, 66, 88],
  shown: [72, 128, 190],
  failed: [214, 84, 74],
}

function paint(canvas: HTMLCanvasElement, states: readonly FrameState[]): void {
  const context = canvas.getContext('2d')
  if (context === null) return
  const { height } = canvas
  const image = context.createImageData(1, height)
  for (let line = 0; line < height; line++) {
    const state = states[Math.floor((line * states.length) / height)] ?? 'absent'
    image.data.set([...colours[state], 255], line * 4)
  }
  context.putImageData(image, 0, 0)
}
