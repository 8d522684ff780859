import { useRef, useState } from 'preact/hooks'
import { isAborted } from '../api/http.ts'
import { type FileReport, get, type ImportStatus, remove, upload } from './api.ts'
import { Choices, Failure, Head, Loaded } from './frame.tsx'
import { type DeskKey, texts } from './texts.ts'
import { useAction, useDesk, useLoad } from './use-desk.ts'

const pollMs = 2000

/** «Загрузка с диска»: a ZIP goes up with its progress; then each file has its line. */
export function MediaSection() {
  const { d } = useDesk()
  const load = useLoad<{ imports: ImportStatus[] }>(
    (signal) => get('/api/media', signal),
    '',
    pollMs,
  )
  const [opened, setOpened] = useState('')
  const empty = { icon: 'images', title: 'mediaEmpty', text: 'mediaEmptyText' } as const
  return (
    <>
      <Head title={d('media')} hint={d('mediaHint')} load={load} />
      <Upload
        onDone={({ id }) => {
          setOpened(id)
          load.reload()
        }}
      />
      <Loaded load={load} isEmpty={({ imports }) => imports.length === 0} empty={empty}>
        {({ imports }) => (
          <div class="desk-stack">
            {imports.map((status) => (
              <Import
                key={status.id}
                status={status}
                isOpen={opened === status.id}
                toggle={() => setOpened(opened === status.id ? '' : status.id)}
                onChanged={load.reload}
              />
            ))}
          </div>
        )}
      </Loaded>
    </>
  )
}

type Sending = { name: string; total: number; sent: number; stop: () => void }

function Upload({ onDone }: { onDone: (status: ImportStatus) => void }) {
  const { d, bytes } = useDesk()
  const action = useAction()
  const input = useRef<HTMLInputElement>(null)
  const [sending, setSending] = useState<Sending | undefined>(undefined)
  const [isOver, setOver] = useState(false)
  const send = (file: File) =>
    action.run(async () => {
      const stopping = new AbortController()
      const start = { name: file.name, total: file.size, stop: () => stopping.abort() }
      setSending({ ...start, sent: 0 })
      try {
        const report = (sent: number) => setSending({ ...start, sent: Math.min(sent, file.size) })
        onDone(await upload(file, report, stopping.signal))
      } catch (error) {
        if (!isAborted(error)) throw error
      } finally {
        setSending(undefined)
      }
    })
  if (sending !== undefined) {
    const { name, total, sent, stop } = sending
    return (
      <section class="desk-card" role="status">
        <p>{d('mediaSending', { name, sent: bytes(sent), total: bytes(total) })}</p>
        <progress max={total} value={sent} />
        <div class="desk-acts">
          <button type="button" class="button" onClick={stop}>
            {d('mediaStop')}
          </button>
        </div>
      </section>
    )
  }
  return (
    <section
      class={isOver ? 'desk-card drop is-over' : 'desk-card drop'}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        const file = event.dataTransfer?.files[0]
        if (file !== undefined) void send(file)
      }}
    >
      <input
        ref={input}
        type="file"
        accept=".zip,application/zip"
        hidden
        data-testid="media-file"
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0]
          currentTarget.value = ''
          if (file !== undefined) void send(file)
        }}
      />
      <button type="button" class="button primary" onClick={() => input.current?.click()}>
        {d('mediaChoose')}
      </button>
      <span class="muted">{d('mediaDrop')}</span>
      <Failure action={action} />
    </section>
  )
}

type ImportProps = {
  status: ImportStatus
  isOpen: boolean
  toggle: () => void
  onChanged: () => void
}

function Import({ status, isOpen, toggle, onChanged }: ImportProps) {
  const { d, moment, bytes } = useDesk()
  const action = useAction()
  const { id, name, state, files, studies, received, startedAt, outcomes } = status
  const isRunning = state === 'receiving' || state === 'running'
  const stop = () =>
    action.run(async () => {
      await remove(`/api/media/${id}`)
      onChanged()
    })
  return (
    <section class="desk-card" data-testid="import">
      <div class="desk-card-head">
        <div>
          <h2>
            {name} <span class={`state-${state}`}>{d(`import-${state}`)}</span>
          </h2>
          <p class="muted">
            {[
              moment(startedAt),
              bytes(received),
              d('mediaFiles', files),
              d('mediaStudies', { n: studies }),
            ].join(' · ')}
          </p>
        </div>
        <div class="desk-acts">
          {isRunning && (
            <button type="button" class="button small" onClick={() => void stop()}>
              {d('mediaStop')}
            </button>
          )}
          <button type="button" class="button small" aria-expanded={isOpen} onClick={toggle}>
            {d('mediaReport')}
          </button>
        </div>
      </div>
      {isRunning && <progress max={Math.max(files.total, 1)} value={files.done} />}
      <Failure action={action} />
      {isOpen && <Report id={id} outcomes={outcomes} done={files.done} />}
    </section>
  )
}

type ReportProps = { id: string; outcomes: Record<string, number>; done: number }

const rowsMax = 500

function Report({ id, outcomes, done }: ReportProps) {
  const { d, bytes } = useDesk()
  const [outcome, setOutcome] = useState('')
  const [rows, setRows] = useState(rowsMax)
  const load = useLoad<FileReport[]>((signal) => allFiles(id, signal), `${id} ${done}`)
  const named = (name: string) =>
    isKey(`outcome-${name}`) ? d(`outcome-${name}` as DeskKey) : name
  return (
    <>
      <Choices
        options={['', ...Object.keys(outcomes)].map((name) => [
          name,
          name === '' ? d('mediaFilterAll') : `${named(name)}: ${outcomes[name] ?? 0}`,
        ])}
        value={outcome}
        change={setOutcome}
      />
      <Loaded load={load}>
        {(files) => {
          const shown = files.filter((file) => outcome === '' || file.outcome === outcome)
          return (
            <>
              {shown.length === 0 && <p class="muted">{d('mediaNone')}</p>}
              <table class="desk-table">
                <tbody>
                  {shown.slice(0, rows).map((file, row) => (
                    <tr key={row} data-testid="file-row">
                      <td class="uid">{file.path}</td>
                      <td class={`outcome-${file.outcome}`}>
                        {named(file.outcome)}
                        {file.reason !== undefined && <small>{file.reason}</small>}
                      </td>
                      <td class="number right">
                        {file.bytes === undefined ? '' : bytes(file.bytes)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {shown.length > rows && (
                <button type="button" class="button" onClick={() => setRows(rows + rowsMax)}>
                  {d('showMore')}
                </button>
              )}
            </>
          )
        }}
      </Loaded>
    </>
  )
}

const isKey = (key: string): key is DeskKey => Object.hasOwn(texts, key)

const pageSize = 1000
const filesMax = 50_000

/** The whole report, so that filtering it finds everything. */
async function allFiles(id: string, signal: AbortSignal): Promise<FileReport[]> {
  const found: FileReport[] = []
  while (found.length < filesMax) {
    const path = `/api/media/${id}/files?after=${found.length}&limit=${pageSize}`
    const { files } = await get<{ files: FileReport[] }>(path, signal)
    found.push(...files)
    if (files.length < pageSize) break
  }
  return found
}
