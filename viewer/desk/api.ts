import { ApiError, request, requestJson, unreachable } from '../api/http.ts'

/** The node's interface for the staff (`GET /api/openapi.json` has the schemas). Times are milliseconds. */
export type Patient = { name: string; id: string; birthDate: string; sex: string }
export type Finding = {
  code: string
  action: 'correct' | 'warn' | 'note'
  tag?: string
  detail?: string
}
export type Candidate = {
  encoding: string
  confidence: number
  isPlausible: boolean
  texts: Record<string, string>
}
export type Findings = {
  study: string
  device: string
  receivedAt: number
  patient: Patient
  date: string
  description: string
  findings: Finding[]
  needsCorrection: boolean
  doubt?: { declared: string[]; candidates: Candidate[] }
}
export type Attention = { studies: Findings[]; more: boolean; counts: Record<string, number> }
export type DuplicatePatient = Patient & { issuer: string; studies: number; snils?: string }
export type Duplicate = {
  patients: [DuplicatePatient, DuplicatePatient]
  because: 'snils' | 'name'
  isCertain: boolean
}
export type OverlayKind =
  | 'correct'
  | 'merge'
  | 'unmerge'
  | 'reject'
  | 'restore'
  | 'release'
  | 'revert'
export type Overlay = {
  seq: number
  kind: OverlayKind
  target: { level: string; study?: string; id?: string }
  at: number
  who: string
  reason: string
  basis?: string
  reverts?: number
  revertedBy?: number
  content?: {
    attributes?: { tag: string; old: string[]; new: string[] }[]
    survivor?: Patient
    code?: string
  }
}
export type Why = { reason: string; basis?: string }
export type Person = { id: string; name: string; birthDate: string }
export type QuarantineReason = 'unknown-device' | 'uid-conflict' | 'patient-conflict' | 'uid-syntax'
export type QuarantineEntry = {
  id: string
  reason: QuarantineReason
  study: string
  bytes: number
  receivedAt: number
  source: string
  patients?: { received: Person; study: Person }
}
export type ReleaseAs = 'received' | 'same-patient' | 'other-patient'
export type PinnedEncoding = {
  device: string
  encoding: string
  source: 'learned' | 'human'
  at: number
}

const asJson = <T>(path: string, options?: Parameters<typeof requestJson>[1]): Promise<T> =>
  requestJson(path, options) as Promise<T>
export const post = <T>(path: string, json: unknown = {}): Promise<T> =>
  asJson<T>(path, { method: 'POST', json })
export const put = <T>(path: string, json: unknown): Promise<T> =>
  asJson<T>(path, { method: 'PUT', json })
export const remove = (path: string): Promise<Response> => request(path, { method: 'DELETE' })
export const get = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  asJson<T>(path, { signal })

type Overlays = { overlays: Overlay[] }
const seqsOf = ({ overlays }: Overlays): number[] => overlays.map(({ seq }) => seq)

/** Each change gives the numbers by which it can be undone. */
export const correct = async (
  study: string,
  attributes: { tag: string; new: string[] }[],
  why: Why,
): Promise<number[]> =>
  seqsOf(
    await post<Overlays>('/api/corrections', {
      target: { level: 'study', study },
      attributes,
      ...why,
    }),
  )

export const merge = async (
  from: DuplicatePatient,
  to: DuplicatePatient,
  why: Why,
): Promise<number[]> => {
  const { id, issuer, name, birthDate, sex } = to
  const survivor = { id, issuer, name, birthDate, ...(/^[MFO]$/.test(sex) && { sex }) }
  const patient = { id: from.id, issuer: from.issuer }
  return seqsOf(await post<Overlays>('/api/patient-merges', { patient, survivor, ...why }))
}

export const reject = async (study: string, code: string, why: Why): Promise<number[]> =>
  seqsOf(
    await post<Overlays>('/api/rejections', { target: { level: 'study', study }, code, ...why }),
  )

export const revert = async (seq: number, why: Why): Promise<number[]> =>
  seqsOf(await post<Overlays>(`/api/corrections/${seq}/revert`, why))

/** So many at once at most (`overlayLimits.quarantinedMax`). */
const releasedAtOnce = 1000

export async function release(
  entries: readonly string[],
  as: ReleaseAs,
  why: Why,
): Promise<number[]> {
  const seqs: number[] = []
  for (let at = 0; at < entries.length; at += releasedAtOnce) {
    const some = entries.slice(at, at + releasedAtOnce)
    seqs.push(
      ...seqsOf(await post<Overlays>('/api/quarantine/release', { entries: some, as, ...why })),
    )
  }
  return seqs
}

export type ImportStatus = {
  id: string
  name: string
  state: 'receiving' | 'running' | 'done' | 'cancelled' | 'failed'
  code?: string
  startedAt: number
  received: number
  files: { done: number; total: number }
  outcomes: Record<string, number>
  studies: number
}
export type FileReport = { path: string; outcome: string; reason?: string; bytes?: number }

/** Sends a ZIP file. `fetch` does not say how much of a body has gone; this old way does. */
export function upload(
  file: File,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
): Promise<ImportStatus> {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest()
    const askedAt = performance.now()
    sending.open('POST', `/api/media?name=${encodeURIComponent(mediumName(file.name))}`)
    sending.setRequestHeader('x-cami', '1')
    sending.setRequestHeader('content-type', 'application/zip')
    sending.responseType = 'json'
    sending.upload.addEventListener('progress', ({ loaded }) => onProgress(loaded))
    sending.addEventListener('error', () => reject(new ApiError(0, unreachable)))
    sending.addEventListener('abort', () => reject(new DOMException('cancelled', 'AbortError')))
    sending.addEventListener('load', () => {
      if (sending.status === 200) resolve(sending.response as ImportStatus)
      else reject(new ApiError(sending.status, codeOf(sending.response), undefined, askedAt))
    })
    signal.addEventListener('abort', () => sending.abort(), { once: true })
    sending.send(file)
  })
}

const mediumName = (name: string): string =>
  name.replaceAll(/[\p{Cc}\\/]/gu, '_').slice(0, 100) || 'upload.zip'

const codeOf = (body: unknown): string => {
  const code = (body as { error?: { code?: unknown } } | null)?.error?.code
  return typeof code === 'string' ? code : 'internal'
}
