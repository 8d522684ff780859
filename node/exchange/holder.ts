import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, PeerIdString, Sha256, StudyUid } from '#protocol/ids.ts'
import type { Signer } from '#protocol/jws.ts'
import { exchangeLimits, streamLimits } from '#protocol/limits.ts'
import type { Handlers, HolderStream } from '#protocol/transport/transport.ts'
import type { Admission, PeerGate } from '../access/admission.ts'
import type { Archive, StudyReader } from '../archive/archive.ts'
import type { Log } from '../log.ts'
import { createManifests } from './manifests.ts'
import { serveFetch } from './serve-fetch.ts'
import type { ServeLimits, Tally } from './serve-fetch.ts'

export type HolderDeps = {
  archive: Pick<Archive, 'open' | 'record'>
  gate: PeerGate
  signer: Signer
  self: OrganizationOid
  clock: () => number
  log: Log
  /** A manifest was signed. */
  onManifest?: (digest: Sha256) => void
  /** Shorter ones for tests. */
  limits?: Partial<HolderLimits>
}
export type HolderLimits = ServeLimits & { manifestsMax: number; recheckIntervalMs: number }

export type Holder = {
  handlers: Required<Pick<Handlers, 'manifest.get' | 'manifest.page' | 'chunks.get'>>
  onFetch(stream: HolderStream): Promise<void>
}

/**
 * The holder's side of the exchange: manifests, chunk digests and bytes of our own studies for other organizations'
 * nodes. Each request passes the gate with an assertion of its own; the archive opens with the gate's proof alone.
 */
export function createHolder(deps: HolderDeps): Holder {
  const { archive, gate, signer, self, clock } = deps
  const limits: HolderLimits = { ...streamLimits, ...exchangeLimits, ...deps.limits }
  const manifests = createManifests({
    signer,
    self,
    clock,
    studiesMax: limits.manifestsMax,
    ...(deps.onManifest !== undefined && { onMade: deps.onManifest }),
  })

  const manifestOf = (study: StudyUid): { manifest?: Sha256 } => {
    const manifest = manifests.digest(study)
    return manifest === undefined ? {} : { manifest }
  }
  type Asked = { assertion: string; study: StudyUid }
  const answer = async <T>(
    peer: PeerIdString,
    { assertion, study }: Asked,
    work: (reader: StudyReader) => Promise<T>,
  ): Promise<T> => {
    const admission = await gate.admit(peer, assertion, study)
    let outcome: 'success' | 'failure' = 'failure'
    try {
      await using reader = await archive.open(admission.grant)
      const result = await work(reader)
      outcome = 'success'
      return result
    } finally {
      await admission.finish({ instances: 0, bytes: 0, outcome, ...manifestOf(study) })
    }
  }
  const stateOf = async (study: StudyUid): Promise<'open' | 'complete'> =>
    (await archive.record(study))?.state ?? 'open'

  return {
    handlers: {
      'manifest.get': (params, { peer }) =>
        answer(peer, params, async (reader) => ({
          manifest: await manifests.root(reader, await stateOf(params.study)),
        })),
      'manifest.page': (params, { peer }) =>
        answer(peer, params, async (reader) =>
          manifests.page(reader, await stateOf(params.study), params.page),
        ),
      'chunks.get': (params, { peer }) =>
        answer(peer, params, async (reader) => ({
          chunks: joinDigests(await reader.chunks(params.sop)),
        })),
    },
    async onFetch(stream) {
      const { assertion, study } = stream.open
      const admission = await gate.admit(stream.peer, assertion, study)
      const tally: Tally = { sops: new Set(), bytes: 0 }
      let outcome: 'success' | 'failure' = 'failure'
      try {
        await serveAdmitted(stream, admission, { archive, tally, limits })
        outcome = 'success'
      } catch (error) {
        // The reader has what it wanted and closed its end: nothing failed.
        if (codeOf(error) === 'aborted') outcome = 'success'
        else deps.log.info({ code: codeOf(error), bytes: tally.bytes }, 'transfer ended early')
        throw error
      } finally {
        const sent = { instances: tally.sops.size, bytes: tally.bytes }
        await admission.finish({ ...sent, outcome, ...manifestOf(study) })
      }
    },
  }
}

/** Serves until the reader has had enough, or the authority ends: then it cuts, wherever the stream stands. */
async function serveAdmitted(
  stream: HolderStream,
  admission: Admission,
  {
    archive,
    tally,
    limits,
  }: { archive: HolderDeps['archive']; tally: Tally; limits: HolderLimits },
): Promise<void> {
  const reader = await archive.open(admission.grant)
  const cut = new AbortController()
  const over = Promise.withResolvers<never>()
  const recheck = (): Promise<void> => admission.recheck()
  let checking = false
  const watch = setInterval(() => {
    if (checking) return
    checking = true
    recheck()
      .catch((error: unknown) => {
        cut.abort(error)
        over.reject(error)
      })
      .finally(() => {
        checking = false
      })
  }, limits.recheckIntervalMs)
  const signal = AbortSignal.any([stream.signal, cut.signal])
  const serving = serveFetch({ stream, reader, recheck, tally, limits, signal })
  stream.signal.addEventListener('abort', () => over.reject(stream.signal.reason), { once: true })
  // A slice that waits for credit must not delay the cut; the archive's reader is let go when the slice has been.
  void serving.catch(() => undefined).finally(() => reader[Symbol.asyncDispose]())
  try {
    await Promise.race([serving, over.promise])
  } finally {
    clearInterval(watch)
  }
}

function joinDigests(digests: readonly Sha256[]): string {
  if (digests.length === 0) throw new ProtocolError('not_found', 'no such instance')
  return Buffer.from(digests.join(''), 'hex').toString('base64url')
}
