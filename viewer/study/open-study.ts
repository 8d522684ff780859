import { ApiError, isAborted, request, transferMs } from '../api/http.ts'
import { fetchFrame } from '../api/frames.ts'
import { loadMetadata, loadSeries } from '../api/studies.ts'
import { withTables } from '../api/tables.ts'
import { DecodeError } from '../imaging/decoder-pool.ts'
import { createStudySession, type StudySession } from '../imaging/study-session.ts'
import type { AppState } from '../parts/app-state.ts'

/** Wires a study to the node's interface. */
export function openStudy(
  uid: string,
  { decoders, failed }: Pick<AppState, 'decoders' | 'failed'>,
): StudySession {
  const watched = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer
    } catch (error) {
      if (!isAborted(error)) failed(error)
      throw error
    }
  }
  return createStudySession({
    decoders,
    isPermanent,
    clock: () => performance.now(),
    later(run, delayMs) {
      const timer = setTimeout(run, delayMs)
      return () => clearTimeout(timer)
    },
    memoryBytes: memoryBytes(),
    fetchFrame: (slice, signal) => watched(fetchFrame({ study: uid, ...slice }, signal)),
    loadSeries: (signal) => watched(loadSeries(uid, signal)),
    loadMetadata: async (series, signal) => {
      const instances = await watched(loadMetadata(uid, series, signal))
      const base = `/dicom-web/studies/${uid}/series/${series}/`
      return withTables(instances, (uri) => fetchBulk(uri, base, signal))
    },
  })
}

/** Bulk data lives at this node, whatever address the metadata was written with. */
async function fetchBulk(uri: string, base: string, signal: AbortSignal): Promise<Uint8Array> {
  const { pathname } = new URL(uri, new URL(base, location.origin))
  const accept = 'application/octet-stream; transfer-syntax=*'
  const response = await request(pathname, { accept, signal, limitMs: transferMs })
  return new Uint8Array(await response.arrayBuffer())
}

/** "No" and an image that cannot be decoded stay so; a broken link or a busy server do not. */
export function isPermanent(error: unknown): boolean {
  if (error instanceof DecodeError) return true
  if (!(error instanceof ApiError)) return false
  const { status } = error
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

/** Half of what the browser says the machine has, at most 1.5 GiB: beyond that the tab itself is at risk. */
function memoryBytes(): number {
  const gigabytes = (navigator as { deviceMemory?: number }).deviceMemory ?? 4
  return Math.min(gigabytes / 2, 1.5) * 1024 ** 3
}
