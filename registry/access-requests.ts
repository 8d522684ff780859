import { createHash } from 'node:crypto'
import { AccessRequest, advanceAccessRequest, newAccessRequest } from '#protocol/access-request.ts'
import type {
  AccessRequestAction,
  AccessRequestEffect,
  AccessRequestFacts,
  UserRow,
} from '#protocol/access-request.ts'
import { readAccessRequest } from '#protocol/access-request-content.ts'
import type { AccessRequestRecord } from '#protocol/control.ts'
import type { DocumentReference } from '#protocol/credential.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { addDays, dayOf } from '#protocol/fields/dates.ts'
import type { Draft } from '#protocol/form.ts'
import type { GrantRequest } from '#protocol/grant.ts'
import { oidOf, ulid } from '#protocol/ids.ts'
import type { OrganizationOid, Sha256, UserId } from '#protocol/ids.ts'
import { createTurns } from '#protocol/turns.ts'
import { createDesk } from './desk.ts'
import type { Desk } from './desk.ts'
import { forEach } from './each.ts'
import { grantNoticesOf } from './grant-notices.ts'
import { isListed, readGrants, requestOf } from './grant-rows.ts'
import type { GrantRow } from './grant-rows.ts'
import type { NewNotice, Notices, Owed } from './notices.ts'
import { byOf, system } from './office.ts'
import type { By, Office } from './office.ts'
import type { Organizations } from './organizations.ts'

export type AccessRequestStep =
  | Exclude<AccessRequestAction, { type: 'register' | 'activate' | 'expire' | 'pause' | 'resume' }>
  | Omit<Extract<AccessRequestAction, { type: 'register' }>, 'number'>

/** Form № 5, and its tie to the grant that the holder's node signs on its ground. */
export type AccessRequests = {
  get(id: string): Promise<AccessRequest>
  all(): Promise<AccessRequest[]>
  create(content: Draft, holder: OrganizationOid, by: By): Promise<AccessRequest>
  act(id: string, action: AccessRequestStep, by: By): Promise<AccessRequest>
  reapply(id: string, by: By): Promise<AccessRequest>
  /** Number, date and digest of the form's PDF: what a grant request names as its ground. */
  reference(form: AccessRequest): Promise<DocumentReference>
  /** Forms that wait for this organization: for its signature as the holder, or for its people as the grantee. */
  waitingFor(oid: OrganizationOid): Promise<AccessRequestRecord[]>
  /** Whether a grant may be countersigned; gives what to do when it has been. Throws `grant_mismatch`. */
  admit(claims: GrantRequest): Promise<() => Promise<void>>
  /** A grant has ended otherwise than through its form. */
  grantEnded(grant: string): Promise<void>
  people: People
  /** Makes forms and grants agree again after a stop between the two. */
  resume(): Promise<void>
  /** Expires what is over, and pauses or resumes with the restrictions of both sides. */
  sweep(): Promise<void>
}

/** What forms № 5 say of one person. */
export type People = {
  isNamed(user: UserId): Promise<boolean>
  /** The rows that name her end. */
  left(user: UserId): Promise<void>
  /** The rows that ended are in force again. */
  back(user: UserId): Promise<void>
}

type Deps = {
  office: Office
  organizations: Organizations
  notices: Notices
  render: (form: AccessRequest) => Promise<Buffer>
  revokeGrant: (jti: string) => Promise<void>
  isForm5Required: boolean
}

const inForce = ['approved', 'effective', 'paused']
const grantDays = 365
const grantIsOver = { type: 'revoke', reason: 'доступ отозван' } as const

export function createAccessRequests(deps: Deps): AccessRequests {
  const { office, organizations } = deps
  const { clock, random } = office
  const desk = createDesk<
    AccessRequest,
    AccessRequestAction,
    AccessRequestFacts,
    AccessRequestEffect
  >({
    office,
    kind: 'access_request',
    schema: AccessRequest,
    advance: advanceAccessRequest,
    facts: (form) => factsOf(form, organizations),
  })
  const reference = (form: AccessRequest) => referenceOf(form, deps.render)
  const tie = createTie(deps, desk)
  const create = async (content: Draft, holder: OrganizationOid, by: By, previousId?: string) => {
    const form = newAccessRequest({
      id: ulid(clock(), random(10)),
      content,
      holder,
      createdBy: by.actor.account,
      createdAt: clock(),
      ...(previousId !== undefined && { previousId }),
    })
    return await desk.add(form, by)
  }
  const quietly = async (id: string, action: AccessRequestAction): Promise<void> => {
    await desk.act(id, action, system)
  }
  return {
    get: desk.get,
    all: desk.all,
    create: (content, holder, by) => create(content, holder, by),
    act: createStep(deps, desk),
    async reapply(id, by) {
      const refused = await desk.get(id)
      if (refused.status !== 'refused') throw new ProtocolError('conflict', 'it is not refused')
      return await create(refused.content, refused.holder, by, id)
    },
    reference,
    waitingFor: (oid) => waitingFor(desk.all, { oid, reference }),
    admit: createAdmission(deps, { desk, reference, tie }),
    async grantEnded(grant) {
      const form = (await desk.all()).find((one) => one.grant === grant)
      if (form === undefined || !inForce.includes(form.status)) return
      await quietly(form.id, grantIsOver)
    },
    people: createPeople(desk),
    resume: () => tieAgain(deps, desk, tie),
    async sweep() {
      for (const form of await desk.all()) {
        const action = await dueFor(form, organizations, clock())
        if (action !== undefined) await quietly(form.id, action)
      }
    },
  }
}

function createPeople(desk: RequestDesk): People {
  const naming = async (user: UserId, state: UserRow['state']): Promise<AccessRequest[]> =>
    (await desk.all()).filter(
      ({ rows, status }) =>
        ['under_review', ...inForce].includes(status) &&
        rows.some((row) => row.uid === user && row.state === state),
    )
  return {
    isNamed: async (user) => (await naming(user, 'confirmed')).length > 0,
    async left(user) {
      for (const { id } of await naming(user, 'confirmed'))
        await desk.act(id, { type: 'end_row', uid: user }, system)
    },
    async back(user) {
      for (const { id } of await naming(user, 'ended'))
        await desk.act(id, { type: 'restore_row', uid: user }, system)
    },
  }
}

type RequestDesk = Desk<AccessRequest, AccessRequestAction, AccessRequestEffect>

function createStep(deps: Deps, desk: RequestDesk): AccessRequests['act'] {
  const { office, organizations, notices } = deps
  const { clock, numbers } = office
  return async (id, step, by) => {
    const { form, effects } = await desk.act(
      id,
      async () => {
        if (step.type !== 'register') return { action: step }
        const year = dayOf(clock()).slice(0, 4)
        const { number, write } = await numbers.next('access_request', year)
        return { action: { ...step, number }, writes: [write] }
      },
      by,
    )
    for (const { type } of effects) {
      if (type === 'revoke_grant' && form.grant !== undefined) await deps.revokeGrant(form.grant)
      if (type === 'issue_refusal_notice') {
        await notices.issue(await refusalOf(form, organizations), by)
      }
    }
    return form
  }
}

function createAdmission(
  deps: Deps,
  given: { desk: RequestDesk; reference: AccessRequests['reference']; tie: Tie },
): AccessRequests['admit'] {
  const { desk, reference, tie } = given
  return async (claims) => {
    const form = await formOf(desk.all, claims, deps.isForm5Required)
    if (form === undefined) return () => Promise.resolve()
    await checkGrant(form, claims, reference)
    await checkConnected(form, deps.organizations)
    return () => tie(form.id, claims)
  }
}

type Tie = (id: string, request: GrantRequest) => Promise<void>

/** The form takes the grant as its own; one that it does not take, because it has changed meanwhile, is none. */
function createTie({ notices, organizations, revokeGrant }: Deps, desk: RequestDesk): Tie {
  // The same request may come twice at once: neither is a change to the other.
  const inTurn = createTurns()
  return (id, { jti, users, exp }) =>
    inTurn(async () => {
      const { grant, status } = await desk.get(id)
      // The same request again: its form says so already.
      if (grant === jti && inForce.includes(status)) return
      const uids = users.map(({ uid }) => uid)
      const taken = desk.act(id, { type: 'activate', grant: jti, users: uids }, system)
      const { form } = await taken.catch(async (refused: unknown) => {
        await revokeGrant(jti)
        throw refused
      })
      await notices.makeUp([form], () => grantNoticesOf(form, { users, exp }, organizations))
    })
}

/**
 * Ends grants whose forms have ended and forms whose grants have, gives forms the grants that a stop kept them from
 * hearing of, and both sides the letters.
 */
async function tieAgain(deps: Deps, desk: RequestDesk, tie: Tie): Promise<void> {
  const { store, clock } = deps.office
  const listed = new Map<OrganizationOid, Promise<GrantRow[]>>()
  const rowsOf = async (holder: OrganizationOid): Promise<GrantRow[]> => {
    const found = listed.get(holder) ?? readGrants(store, holder)
    listed.set(holder, found)
    return (await found).filter((row) => isListed(row, clock()))
  }
  const owed: Owed[] = []
  const mend = async (form: AccessRequest): Promise<void> => {
    const { id, grant, holder, number, status } = form
    if (status === 'revoked' && grant !== undefined) await deps.revokeGrant(grant)
    if (status === 'refused') {
      const notice = await refusalOf(form, deps.organizations)
      owed.push({ notice, by: byOf(form, 'refuse') })
    }
    if (status === 'approved') {
      const requests = (await rowsOf(holder)).filter(({ active }) => active).map(requestOf)
      const request = requests.find(({ form5 }) => form5 !== undefined && form5.no === number)
      if (request !== undefined) await tie(id, request)
    } else if (inForce.includes(status)) {
      const row = (await rowsOf(holder)).find(({ jti }) => jti === grant)
      if (row?.active === false) await desk.act(id, grantIsOver, system)
      if (row?.active !== true) return
      owed.push(...(await grantNoticesOf(form, requestOf(row), deps.organizations)))
    }
  }
  const forms = await desk.all()
  const letters = () => deps.notices.makeUp(owed, (one) => [one])
  await forEach([() => forEach(forms, mend), letters], (work) => work())
}

async function factsOf(
  form: AccessRequest,
  organizations: Organizations,
): Promise<AccessRequestFacts> {
  const grantee = form.content['granteeOrg']
  return {
    granteeConnected:
      typeof grantee === 'string' && (await organizations.isConnected(grantee as OrganizationOid)),
    holderConnected: await organizations.isConnected(form.holder),
  }
}

/** Before anything is countersigned: the form would not take the grant, and one that has ended does not come back. */
async function checkConnected(form: AccessRequest, organizations: Organizations): Promise<void> {
  if (form.status !== 'approved') return
  const { granteeConnected, holderConnected } = await factsOf(form, organizations)
  if (granteeConnected && holderConnected) return
  throw new ProtocolError('grant_mismatch', 'form № 5: one of the two is not connected')
}

async function referenceOf(
  form: AccessRequest,
  render: Deps['render'],
): Promise<DocumentReference> {
  const { documentDate } = readAccessRequest(form)
  const sha256 = createHash('sha256')
    .update(await render(form))
    .digest('hex') as Sha256
  return { no: form.number ?? form.id, date: documentDate, sha256 }
}

async function waitingFor(
  all: () => Promise<AccessRequest[]>,
  { oid, reference }: { oid: OrganizationOid; reference: AccessRequests['reference'] },
): Promise<AccessRequestRecord[]> {
  const found: AccessRequestRecord[] = []
  for (const form of await all()) {
    const isHolder = form.status === 'approved' && form.holder === oid
    const isGrantee =
      ['under_review', 'approved'].includes(form.status) && form.content['granteeOrg'] === oid
    if (!isHolder && !isGrantee) continue
    const content = readAccessRequest(form)
    const { granteeOrg, users, modalities, deviceIds, validUntil, referredOnly } = content
    found.push({
      id: form.id,
      side: isHolder ? 'holder' : 'grantee',
      form5: await reference(form),
      holder: form.holder,
      grantee: granteeOrg,
      rows: form.rows.flatMap((row) => {
        const user = users[row.row - 1]
        if (user === undefined) return []
        const { fullName, position, department, room } = user
        return [{ ...row, fullName, position, department, room }]
      }),
      devices: deviceIds ?? ['*'],
      modalities: modalities ?? ['*'],
      mode: referredOnly === true ? 'by_request' : 'all',
      ...(validUntil !== undefined && { validUntil }),
    })
  }
  return found
}

async function formOf(
  all: () => Promise<AccessRequest[]>,
  { form5, iss }: GrantRequest,
  isRequired: boolean,
): Promise<AccessRequest | undefined> {
  if (form5 === undefined) {
    if (!isRequired) return undefined
    throw new ProtocolError('grant_mismatch', 'a grant without a form № 5')
  }
  const holder = oidOf(iss)
  const form = (await all()).find(
    ({ number, holder: theirs }) => number === form5.no && theirs === holder,
  )
  if (form !== undefined) return form
  // A form on paper, from before there were any here.
  if (!isRequired) return undefined
  throw new ProtocolError('grant_mismatch', 'no such form № 5 of this holder')
}

/** What the holder's node signed must be what the form says: the paper, the other side, the people, the scope. */
async function checkGrant(
  form: AccessRequest,
  claims: GrantRequest,
  reference: AccessRequests['reference'],
): Promise<void> {
  const mismatch = (what: string) => new ProtocolError('grant_mismatch', `form № 5: ${what}`)
  const { granteeOrg, deviceIds, modalities, referredOnly } = readAccessRequest(form)
  const isAgain = form.grant === claims.jti
  if (form.status !== 'approved' && !isAgain) throw mismatch('it is not approved')
  const { sha256 } = await reference(form)
  if (claims.form5?.sha256 !== sha256) throw mismatch('another document')
  if (String(oidOf(claims.sub)) !== String(granteeOrg)) throw mismatch('another grantee')
  for (const user of claims.users) {
    const row = form.rows.find(({ uid }) => uid === user.uid)
    const said = readAccessRequest(form).users[(row?.row ?? 0) - 1]
    if (row?.state !== 'confirmed' || said?.position !== user.pos)
      throw mismatch('an unconfirmed user')
  }
  const { devices, mod, mode } = claims.scope
  const isWithin = (asked: readonly string[], allowed: readonly string[] | undefined) =>
    allowed === undefined || asked.every((one) => allowed.includes(one))
  if (!isWithin(devices, deviceIds) || !isWithin(mod, modalities)) throw mismatch('a wider scope')
  if (referredOnly === true && mode !== 'by_request') throw mismatch('a wider scope')
}

async function refusalOf(form: AccessRequest, organizations: Organizations): Promise<NewNotice> {
  const card = (await organizations.view(form.holder))?.card
  return {
    content: {
      kind: 'refusal_notice',
      organizationName: card?.fullName ?? form.holder,
      reasons: form.reasons,
    },
    source: form.id,
    recipient: card?.email,
    organization: form.holder,
  }
}

async function dueFor(
  form: AccessRequest,
  organizations: Organizations,
  now: number,
): Promise<AccessRequestAction | undefined> {
  if (!inForce.includes(form.status)) return undefined
  const { validUntil } = readAccessRequest(form)
  const activatedAt = form.history.findLast(({ action }) => action === 'activate')?.at
  const grantEnd =
    activatedAt === undefined ? undefined : addDays(dayOf(activatedAt), grantDays + 1)
  const today = dayOf(now)
  if (
    (validUntil !== undefined && validUntil < today) ||
    (grantEnd !== undefined && grantEnd < today)
  ) {
    return { type: 'expire' }
  }
  const { granteeConnected, holderConnected } = await factsOf(form, organizations)
  const isOpen = granteeConnected && holderConnected
  if (form.status === 'effective' && !isOpen) return { type: 'pause' }
  return form.status === 'paused' && isOpen ? { type: 'resume' } : undefined
}
