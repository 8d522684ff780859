import { useEffect, useRef } from 'preact/hooks'
import type { SeriesEntry } from '../imaging/study-session.ts'
import type { OtherObject, Stack } from '../imaging/stacks.ts'
import type { Thumbnail } from '../imaging/thumbnail.ts'
import { useTranslation } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import { objectTitle } from './object-panel.tsx'
import { seriesTitle } from './slice-text.ts'
import type { StudyView } from './study-view.ts'

/** The series of the study, each with a picture of it and how much of it is here. */
export function Rail({ view }: { view: StudyView }) {
  const { t } = useTranslation()
  return (
    <nav class="rail" aria-label={t('seriesList')} data-testid="series-list">
      {view.session.series.value.map((entry) => (
        <SeriesItems key={entry.summary.uid} view={view} entry={entry} />
      ))}
    </nav>
  )
}

function SeriesItems({ view, entry }: { view: StudyView; entry: SeriesEntry }) {
  const { t } = useTranslation()
  const { summary, content, failure } = entry
  if (content === undefined) {
    const title = summary.description || `${t('series')} ${summary.number}`
    return (
      <div class="card pending" data-series={summary.uid}>
        <div class="thumb" />
        <span class="card-title">{title}</span>
        {failure === undefined ? (
          <span class="muted">{t('seriesLoading')}</span>
        ) : (
          <button type="button" class="button small" onClick={() => view.session.retry()}>
            {t('seriesFailed')} · {t('retry')}
          </button>
        )}
      </div>
    )
  }
  return (
    <>
      {content.stacks.map((stack) => (
        <StackCard key={stack.key} view={view} stack={stack} />
      ))}
      {content.others.map((object) => (
        <ObjectCard key={object.key} view={view} object={object} />
      ))}
    </>
  )
}

function StackCard({ view, stack }: { view: StudyView; stack: Stack }) {
  const translation = useTranslation()
  const { session } = view
  const button = useRef<HTMLButtonElement>(null)
  const opened = session.open.value.get(stack.key)
  void opened?.revision.value
  const { loaded = 0, failed = 0 } = opened?.loader.progress ?? {}
  const total = stack.slices.length
  const isActive = session.active.value?.session.stack.key === stack.key
  useEffect(() => {
    if (isActive) button.current?.scrollIntoView({ block: 'nearest' })
  }, [isActive])
  const counted = translation.count(stack.isCine ? 'frames' : 'images', total)
  return (
    <button
      ref={button}
      type="button"
      class={isActive ? 'card active' : 'card'}
      aria-current={isActive}
      data-testid="series"
      data-series={stack.series}
      onClick={() => session.show(stack)}
    >
      <Thumb thumbnail={session.thumbnails.value.get(stack.key)} />
      <span class="badge">{stack.modality}</span>
      {stack.isCine && (
        <span class="badge cine">
          <Icon name="play" size={12} />
        </span>
      )}
      <span class="card-title">{seriesTitle(stack, translation)}</span>
      <span class="card-count">
        <span>№ {stack.number || '—'}</span>
        <span>{loaded > 0 && loaded < total ? `${loaded} / ${counted}` : counted}</span>
      </span>
      <span class={failed > 0 ? 'bar has-failed' : 'bar'}>
        <i style={{ width: `${(loaded / total) * 100}%` }} />
      </span>
    </button>
  )
}

function ObjectCard({ view, object }: { view: StudyView; object: OtherObject }) {
  const { t } = useTranslation()
  const isActive = view.session.other.value?.key === object.key
  return (
    <button
      type="button"
      class={isActive ? 'card object active' : 'card object'}
      aria-current={isActive}
      data-testid="series"
      data-series={object.series}
      onClick={() => view.session.showOther(object)}
    >
      <Icon name="document" size={26} />
      <span class="card-title">{object.title || objectTitle(object.kind, t)}</span>
    </button>
  )
}

function Thumb({ thumbnail }: { thumbnail: Thumbnail | undefined }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (!context || thumbnail === undefined || thumbnail.width === 0) return
    context.putImageData(new ImageData(thumbnail.pixels, thumbnail.width, thumbnail.height), 0, 0)
  }, [thumbnail])
  if (thumbnail === undefined) return <div class="thumb is-loading" />
  if (thumbnail.width === 0) {
    return (
      <div class="thumb">
        <Icon name="images" size={26} />
      </div>
    )
  }
  return (
    <div class="thumb">
      <canvas ref={canvas} width={thumbnail.width} height={thumbnail.height} />
    </div>
  )
}
