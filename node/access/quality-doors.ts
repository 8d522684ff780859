import { authorizeCorrection } from '#protocol/authorize.ts'
import type { CorrectionAct, VerifiedCorrection } from '#protocol/authorize.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf, ProtocolError, WrongRequest } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { httpLimits, storageLimits } from '#protocol/limits.ts'
import type { Archive } from '../archive/archive.ts'
import type { Attention, ReadValue, StudyFindings } from '../archive/attention.ts'
import type { Duplicates } from '../archive/duplicates.ts'
import { actOf, type OverlayRequest } from '../archive/overlay.ts'
import type { TextEncoding } from '../config.ts'
import type { PinnedEncoding, TextEncodings } from '../store/text-encodings.ts'
import type { Federation } from './federation.ts'
import { createRecent } from './recent.ts'
import { refusal } from './refusal.ts'
import type { SessionUser } from './session-user.ts'

/** The doors to what the rules of reception found, and to the questions that only a person can answer. */
export type QualityDoors = {
  /** Studies that need correction. Throws `forbidden`; the denial is audited. */
  attention(user: SessionUser, page: { after?: string; limit: number }): Promise<Attention>
  findings(user: SessionUser, study: StudyUid): Promise<StudyFindings>
  /**
   * Says in which encoding a study's text is: what is shown is corrected, the bytes stay. `pin`: so is everything that
   * the study's device writes, also in other studies that wait for this answer. Gives the number of studies corrected.
   */
  answer(
    user: SessionUser,
    study: StudyUid,
    answer: { encoding: TextEncoding; pin: boolean },
  ): Promise<{ studies: number }>
  /** Patients who may be one (DQ-21). */
  duplicates(user: SessionUser, limit: number): Promise<Duplicates>
  encodings(user: SessionUser): Promise<PinnedEncoding[]>
  unpin(user: SessionUser, device: string): Promise<void>
}

export type QualityDeps = {
  archive: Pick<Archive, 'attention' | 'findings' | 'duplicates' | 'readAs' | 'overlay'>
  encodings: Pick<TextEncodings, 'list' | 'pin' | 'unpin'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  federation: Pick<Federation, 'policy'>
  self: { oid: OrganizationOid }
  clock: () => number
}

export function createQualityDoors(deps: QualityDeps): QualityDoors {
  const { archive, encodings } = deps
  const desk = createDesk(deps)
  const { note, prove, findings } = desk
  const isRecent = createRecent(deps.clock, httpLimits.pollingMs)
  /** Pages ask for lists several times a minute. */
  const listed = (user: SessionUser, detail: string) =>
    isRecent(`${user.session} ${detail}`, () =>
      note(user, { event: 'query', outcome: 'success', detail }),
    )
  return {
    async attention(user, page) {
      const proof = await prove(user, 'history')
      const found = await archive.attention(proof, page)
      await listed(user, 'studies to be corrected')
      return found
    },
    async findings(user, study) {
      const found = await findings(user, study)
      await note(user, { event: 'query', outcome: 'success', study, detail: 'findings' })
      return found
    },
    async duplicates(user, limit) {
      const found = await archive.duplicates(await prove(user, 'history'), limit)
      await listed(user, 'duplicate patients')
      return found
    },
    answer: (user, study, answer) => answerDoubt(deps, desk, { user, study, ...answer }),
    async encodings(user) {
      await prove(user, 'attributes', reasonPrefix)
      return encodings.list()
    },
    async unpin(user, device) {
      await prove(user, 'attributes', reasonPrefix)
      await encodings.unpin(device)
      const detail = `text of device ${device} is learned anew`.slice(0, 200)
      await note(user, { event: 'configuration', outcome: 'success', detail })
    },
  }
}

type Desk = ReturnType<typeof createDesk>

/** What every door does: decide, write down, look, correct. */
function createDesk(deps: QualityDeps) {
  const { archive, audit } = deps
  const note = (
    user: SessionUser,
    entry: Pick<AuditEntry, 'event' | 'outcome'> & Partial<AuditEntry>,
  ) => audit.append({ ...actorOf(deps, user), ...entry })

  /** The proof for an act, or the audited refusal. */
  const prove = async (user: SessionUser, act: CorrectionAct, reason = '') => {
    const policy = deps.federation.policy()
    const facts = { user, self: deps.self.oid, now: deps.clock(), policy }
    const decision = authorizeCorrection({ ...facts, act, reason })
    if (decision.ok) return decision.grant
    const { code } = decision
    await note(user, { event: 'security-alert', outcome: 'denied', code, detail: act })
    throw refusal(code, 'not to be seen or corrected')
  }

  return {
    note,
    prove,
    async findings(user: SessionUser, study: StudyUid): Promise<StudyFindings> {
      const found = await archive.findings(await prove(user, 'history'), study)
      if (found === undefined) throw new ProtocolError('forbidden', 'no such study')
      return found
    },
    /** Whether there was something to correct. */
    async correct(user: SessionUser, study: StudyUid, encoding: TextEncoding): Promise<boolean> {
      const reading = await archive.readAs(await prove(user, 'history'), study, encoding)
      if (reading === undefined) return false
      const reason = `${reasonPrefix} ${encoding}`
      for (const request of requestsOf(study, reading)) {
        const proof = await prove(user, actOf(request), reason)
        await note(user, { event: 'configuration', outcome: 'success', study, detail: reason })
        await archive.overlay(proof, request)
      }
      return true
    },
  }
}

type Answer = { user: SessionUser; study: StudyUid; encoding: TextEncoding; pin: boolean }

async function answerDoubt(
  { archive, encodings }: QualityDeps,
  { note, prove, findings, correct }: Desk,
  { user, study, encoding, pin }: Answer,
): Promise<{ studies: number }> {
  const { device, doubt } = await findings(user, study)
  if (doubt === undefined) throw new ProtocolError('conflict', 'nothing is in doubt here')
  if (pin && device === '') throw new WrongRequest('no device sent this study')
  // Who may not correct everything must not say what a device writes.
  const proof = await prove(user, pin ? 'attributes' : 'history', reasonPrefix)
  let studies = (await correct(user, study, encoding)) ? 1 : 0
  if (!pin) return { studies }
  await encodings.pin(device, encoding, user.uid)
  const detail = `text of device ${device} is ${encoding}`.slice(0, 200)
  await note(user, { event: 'configuration', outcome: 'success', detail })
  for await (const other of waiting(archive, proof, { device, encoding })) {
    try {
      if (await correct(user, other, encoding)) studies++
    } catch (error) {
      // A study that cannot be corrected now stays in the list.
      const code = codeOf(error)
      await note(user, { event: 'configuration', outcome: 'failure', study: other, code })
    }
  }
  return { studies }
}

/** Studies of a device that wait for the same answer, and of which it makes something. */
async function* waiting(
  archive: QualityDeps['archive'],
  proof: VerifiedCorrection,
  { device, encoding }: { device: string; encoding: TextEncoding },
): AsyncGenerator<StudyUid> {
  let after = ''
  for (let left = storageLimits.quarantineListMax; left > 0;) {
    const page = await archive.attention(proof, { after, limit: 100 })
    for (const found of page.studies) {
      left--
      after = found.study
      const isFit = found.doubt?.candidates.some(
        (candidate) => candidate.encoding === encoding && candidate.isPlausible,
      )
      if (found.device === device && isFit === true) yield found.study
    }
    if (!page.more) return
  }
}

const reasonPrefix = 'encoding of the text:'

const actorOf = ({ self }: Pick<QualityDeps, 'self'>, user: SessionUser) => ({
  organization: self.oid,
  user: user.uid,
  role: user.roles.join(' ').slice(0, 32),
  source: (user.workstation === '' ? user.address : user.workstation).slice(0, 128),
  holder: self.oid,
})

/** One correction per thing; those of the patient's own attributes apart, for which less is needed. */
function requestsOf(
  study: StudyUid,
  reading: NonNullable<Awaited<ReturnType<Archive['readAs']>>>,
): OverlayRequest[] {
  const split = (
    target: Extract<OverlayRequest, { kind: 'correct' }>['target'],
    all: ReadValue[],
  ) =>
    [
      all.filter(({ tag }) => tag.startsWith('0010')),
      all.filter(({ tag }) => !tag.startsWith('0010')),
    ]
      .filter((attributes) => attributes.length > 0)
      .map((attributes) => ({ kind: 'correct' as const, target, attributes }))
  return [
    ...split({ level: 'study', study }, reading.study),
    ...[...reading.series].flatMap(([series, values]) =>
      split({ level: 'series', study, series }, values),
    ),
  ]
}
