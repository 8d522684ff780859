import path from 'node:path'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import { now, studyRecord } from '#protocol/federation.fixture.ts'
import { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import type { IndexEntry } from '#protocol/index-log.ts'
import { openTestArchive, sendSlice } from '../archive/archive.fixture.ts'
import type { Query, StudyReader } from '../archive/archive.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { silentLog } from '../log.ts'
import { openReplica } from '../replica/replica.ts'
import { createDoors } from './doors-impl.ts'
import { createPlace } from './federation.fixture.ts'
import type { Restrictions } from './restrictions.ts'
import type { SessionUser } from './session-user.ts'

export const hour = 60 * 60 * 1000
export const granted = studyRecord.study
export const ownUid = StudyUid.parse('1.2.3.10')
export const nowhere = StudyUid.parse('1.2.3.99')

export const query = (over: Partial<Query> = {}): Query => ({
  level: 'study',
  match: {},
  limit: 100,
  offset: 0,
  ...over,
})
export const valueOf = (row: DicomJson | undefined, tag: string) => row?.[tag]?.Value?.[0]
/** The organization in Custodial Organization Sequence. */
export const holderIn = (row: DicomJson | undefined) => {
  const organization = valueOf(row, '0040A07C') as DicomJson | undefined
  return valueOf(valueOf(organization, '00080082') as DicomJson | undefined, '00080120')
}
export const uids = (rows: readonly DicomJson[]) => rows.map((row) => valueOf(row, '0020000D'))

/** The grantee's node: own archive, replicated index, a received grant; only the holder at the other end is played. */
export async function createNode(restrictions?: Pick<Restrictions, 'current'>) {
  await using stack = new AsyncDisposableStack()
  const place = stack.use(await createPlace())
  const { grantee, holder, stranger } = place
  const federation = stack.use(await place.start(grantee))
  await federation.intake.directory(await place.everybody())
  const grant = await place.sign.grant()
  await federation.intake.grants([{ grant, active: true }])
  const archive = stack.use(
    await openTestArchive(path.join(place.dir, 'archive'), {
      holder: grantee.oid,
      clock: () => now,
    }),
  )
  const slice = { study: ownUid, series: '1.2.3.10.1', sop: '1.2.3.10.1.1' }
  await sendSlice(archive, { ...slice, name: 'Кузнецова^Вера', date: '20261123' })
  const replica = stack.use(
    await openReplica({ dir: path.join(place.dir, 'replica'), log: silentLog }),
  )
  await replica.apply(holder.oid, heldEntries(), heldState)
  const world = createWorld()
  const self = {
    oid: grantee.oid,
    name: 'Областная больница',
    kid: grantee.kid,
    aeTitle: 'CAMI',
  }
  const doors = stack.use(
    createDoors({
      archive,
      ...played(world),
      federation,
      replica,
      self,
      clock: () => now,
      ...(restrictions !== undefined && { restrictions }),
    }),
  )
  const user: SessionUser = {
    uid: place.user,
    organization: grantee.oid,
    roles: ['radiologist'],
    enabled: true,
    authTime: now - hour,
    amr: ['pwd', 'otp'],
    login: 'petrova',
    name: 'Петрова',
    position: 'врач-рентгенолог',
    department: 'ОЛД',
    workstation: 'ws-17',
    address: '127.0.0.1',
    session: 'ab'.repeat(32),
    expiresAt: now + hour,
  }
  const closing = stack.move()
  return {
    place,
    federation,
    archive,
    doors,
    world,
    user,
    other: { ...user, uid: place.otherUser, session: 'cd'.repeat(32) },
    grant,
    holder,
    stranger,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

export function remoteReader(study: StudyUid, holder: OrganizationOid): StudyReader {
  const entry = (series: string) => ({
    study,
    series,
    attributes: { '00080060': { vr: 'CS', Value: ['CT'] } },
  })
  return {
    study,
    holder,
    series: () => Promise.resolve([entry('1.2.9.1'), entry('1.2.9.2')]),
    instances: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  } as unknown as StudyReader
}

/** What the test looks at and decides. */
const createWorld = () => ({
  audit: [] as AuditEntry[],
  auditFails: false,
  opened: [] as string[],
  closed: [] as string[],
  refusal: undefined as ErrorCode | undefined,
})

/** An audit that may fail and a holder at the other end. */
const played = (world: ReturnType<typeof createWorld>) => ({
  audit: {
    append(entry: AuditEntry) {
      if (world.auditFails) {
        return Promise.reject(new ProtocolError('audit_unavailable', 'the disk is full'))
      }
      world.audit.push(entry)
      return Promise.resolve()
    },
  },
  remote: {
    open({ study, holder }: { study: StudyUid; holder: OrganizationOid }) {
      world.opened.push(study)
      if (world.refusal !== undefined) {
        return Promise.reject(new ProtocolError(world.refusal, 'as the test says'))
      }
      return Promise.resolve(remoteReader(study, holder))
    },
    closeStudy: (id: string) => world.closed.push(id),
  },
})

const heldState = { seq: 3, digest: 'ab'.repeat(32) as never, visibility: '' }

/** Three studies of the holder. */
function heldEntries(): IndexEntry[] {
  const records = [
    { ...studyRecord, series: [{ uid: '1.2.9.1', modality: 'CT' }] },
    { ...studyRecord, study: '1.2.4', modalities: ['DX'], date: '20261125' },
    { ...studyRecord, study: '1.2.5', date: '20261122' },
  ]
  const common = { number: '1', description: '', bodyPart: '', instances: 2 }
  return records.map(({ series, ...record }) => {
    const complete = { ...record, series: series.map((one) => ({ ...common, ...one })) }
    return { kind: 'study', record: complete } as unknown as IndexEntry
  })
}
