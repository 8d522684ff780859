import { isComplete, type Transfer } from '../api/transfer.ts'
import { useTranslation } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import type { StudyView } from './study-view.ts'

export type LoadProgressProps = { view: StudyView; transfer: Transfer | undefined }

/** How much of the series is on the screen's side, and of a foreign study on its way to this node. */
export function LoadProgress({ view, transfer }: LoadProgressProps) {
  const { t, bytes } = useTranslation()
  const reader = view.session.active.value
  const isMoving = transfer !== undefined && !isComplete(transfer)
  return (
    <div class="progress" role="status" data-testid="progress">
      {isMoving && (
        <span class="transfer" data-testid="transfer">
          {t('transferTitle')}{' '}
          {t('transferValue', {
            done: transfer.instances.done,
            total: transfer.instances.total,
            bytes: bytes(transfer.bytes.done),
            totalBytes: bytes(transfer.bytes.total),
          })}
          {transfer.state === 'interrupted' && (
            <span class="caution"> · {t('transferWaiting')}</span>
          )}
          <Bar done={transfer.bytes.done} total={transfer.bytes.total} />
        </span>
      )}
      {reader !== undefined && <SeriesProgress view={view} />}
    </div>
  )
}

function SeriesProgress({ view }: { view: StudyView }) {
  const { t } = useTranslation()
  const session = view.session.active.value?.session
  if (session === undefined) return null
  void session.revision.value
  const { loaded, failed, total } = session.loader.progress
  return (
    <span class="loaded" title={loaded === total ? t('loadComplete') : undefined}>
      {failed > 0 && (
        <button type="button" class="button small" onClick={() => view.session.retry()}>
          <Icon name="warning" size={16} />
          {t('failedSlices', { n: failed })} · {t('retry')}
        </button>
      )}
      {t('loadedOf', { loaded, total })}
      <Bar done={loaded} total={total} />
    </span>
  )
}

const Bar = ({ done, total }: { done: number; total: number }) => (
  <span class={done >= total ? 'bar done' : 'bar'}>
    <i style={{ width: `${total > 0 ? (done / total) * 100 : 0}%` }} />
  </span>
)
