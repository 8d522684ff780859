import type { Attachment } from '#protocol/form.ts'
import type { HistoryEntry } from '#protocol/life-cycle.ts'
import type { Notice } from '#protocol/notice.ts'
import { post, sideOf, upload } from '../api.ts'
import { useSession, useTexts } from '../desk.ts'
import { dictionary, type Key } from '../texts/texts.ts'
import { Failure, Status, useAct } from './act.tsx'

/** What has happened, newest first. */
export function History({
  history,
  name,
}: {
  history: readonly HistoryEntry[]
  name: (action: string) => string
}) {
  const { t, moment } = useTexts()
  if (history.length === 0) return null
  const said = (action: string) => {
    const key = name(action)
    return key in dictionary ? t(key as Key) : action
  }
  return (
    <section class="card">
      <h3>{t('history')}</h3>
      <ol class="history">
        {history.toReversed().map(({ at, action, by, note }) => (
          <li key={`${at}-${action}`}>
            <b>{said(action)}</b>
            <small>
              {moment(at)} · {by.name === '' ? t('bySystem') : by.name}
            </small>
            {note !== undefined && <p>{note}</p>}
          </li>
        ))}
      </ol>
    </section>
  )
}

type AttachmentsProps = {
  attachments: readonly Attachment[]
  path: string
  /** Of a restriction: what the file is. */
  as?: string
  title?: string
  canAttach: boolean
  onDone: () => Promise<void>
}

export function Attachments({ attachments, path, as, title, canAttach, onDone }: AttachmentsProps) {
  const { t } = useTexts()
  const act = useAct()
  const send = (file: File) => {
    const query = new URLSearchParams({ name: file.name, ...(as !== undefined && { as }) })
    return act.run(async () => {
      await upload(`${path}?${query}`, file)
      await onDone()
    })
  }
  return (
    <section class="card">
      <h3>{title ?? t('attachments')}</h3>
      {attachments.length === 0 && <p class="muted">{t('noAttachments')}</p>}
      <ul class="files">
        {attachments.map(({ sha256, name, bytes }) => (
          <li key={sha256}>
            <a href={`${path}/${sha256}`} target="_blank" rel="noreferrer">
              {name}
            </a>{' '}
            <small>{Math.max(1, Math.round(bytes / 1024))} КБ</small>
          </li>
        ))}
      </ul>
      <Failure error={act.error} />
      {act.isBusy && (
        <p role="status" class="muted">
          <span class="spinner" /> {t('uploading')}
        </p>
      )}
      {canAttach && (
        <label class="file-button button small">
          {t('attach')}
          <input
            type="file"
            accept=".pdf,.jpg,.jpeg,.sig,.p7s"
            disabled={act.isBusy}
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? []
              if (file !== undefined) void send(file)
              event.currentTarget.value = ''
            }}
          />
        </label>
      )}
    </section>
  )
}

const steps: { [status: string]: ('send' | 'deliver' | 'bounce')[] } = {
  issued: ['send'],
  bounced: ['send'],
  sent: ['deliver', 'bounce'],
}

/** Letters that came of it, their documents, and what has become of each. */
export function Notices({ notices, onDone }: { notices: Notice[]; onDone: () => Promise<void> }) {
  const { t } = useTexts()
  const act = useAct()
  // What has become of a letter is the operator's to note.
  const isOperator = sideOf(useSession()) === 'operator'
  const bodies = {
    send: { type: 'send', channel: t('noticeChannel') },
    deliver: { type: 'deliver' },
    bounce: { type: 'bounce', reason: t('noticeBounceReason') },
  }
  if (notices.length === 0) return null
  return (
    <section class="card" data-testid="notices">
      <h3>{t('notices')}</h3>
      <ul class="files">
        {notices.map(({ id, content, number, status, recipient }) => (
          <li key={id}>
            <a href={`/api/notices/${id}/pdf`} target="_blank" rel="noreferrer">
              {t(`noticeKind_${content.kind}`)} · {number ?? t('noNumber')}
            </a>
            <Status of={status}>{t(`noticeStatus_${status}`)}</Status>
            {recipient !== undefined && <small>{recipient}</small>}
            <span class="actions">
              {(isOperator ? (steps[status] ?? []) : []).map((step) => (
                <button
                  key={step}
                  type="button"
                  class="button small"
                  disabled={act.isBusy}
                  onClick={() =>
                    void act.run(async () => {
                      await post(`/api/notices/${id}/actions`, bodies[step])
                      await onDone()
                    })
                  }
                >
                  {t(`noticeAct_${step}`)}
                </button>
              ))}
            </span>
          </li>
        ))}
      </ul>
      <Failure error={act.error} />
    </section>
  )
}
