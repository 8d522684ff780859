import { codeOf } from '#protocol/errors.ts'
import type { StudyUid } from '#protocol/ids.ts'
import { parseCheckpoint } from '#protocol/transparency/checkpoint.ts'
import { parseNote } from '#protocol/transparency/note.ts'
import { toHex } from '#protocol/bytes.ts'
import type { Registry } from '../../registry/registry.ts'
import { ingestAll } from '../bench/archive-load.ts'
import { createStudySet } from '../bench/study-set.ts'
import { createLab, hour, until, type Lab } from './lab.fixture.ts'
import { ask, type Member } from './member.fixture.ts'

const organizations = 6
const staleHours = 24

export type PartitionFigures = {
  hours: number
  stores: number
  localReads: number
  grantsEnded: number
  grantsRefusedMeanwhile: number
  suspensions: number
  restarts: number
  readsBeforeLimit: number
  deniedAfterLimit: number
  /** Milliseconds of this machine from the first link to equal roots; no beat was needed. */
  convergedMs: number
  logSize: number
  readsAfterReturn: number
  deniedAfterReturn: number
  /** What was not as it must be. */
  wrong: string[]
}

type Given = {
  jti: string
  holder: number
  grantee: number
  endedBy?: 'holder' | 'grantee' | 'operator'
}
type Run = {
  lab: Lab
  registry: Registry
  members: Member[]
  grants: Given[]
  /** A study of each holder for questions from outside. */
  shown: StudyUid[]
  stored: StudyUid[][]
  off: Set<number>
  figures: PartitionFigures
  below: (bound: number) => number
}

/**
 * T7: the registry is out of everybody's reach for 72 hours, in which holders and grantees end grants, the operator ends
 * grants and suspends organizations on its side, apparatus send, doctors read, and nodes restart.
 */
export async function runPartition(given: {
  seed: number
  /** Grants that change meanwhile. */
  changes: number
  stores: number
  witnesses?: number
}): Promise<PartitionFigures> {
  await using lab = await createLab({ ...given, organizations })
  await using stack = new AsyncDisposableStack()
  const registry = stack.use(await lab.startRegistry())
  const members = await Promise.all(lab.members.map((party) => lab.startMember(party)))
  stack.defer(
    async () => void (await Promise.all(members.map((one) => one[Symbol.asyncDispose]()))),
  )
  const run: Run = {
    lab,
    registry,
    members,
    grants: [],
    shown: [],
    stored: members.map(() => []),
    off: new Set(),
    figures: { ...noFigures, wrong: [] },
    below: (bound) => Math.floor(lab.random() * bound),
  }
  const studies = createStudySet(given.stores + members.length)
  await linkAll(run)
  for (const at of members.keys()) await store(run, at, studies, { from: at, count: 1 })
  run.shown = run.stored.map(([first]) => first as StudyUid)
  // A fifth of the changes is asked for while the registry is away, the others end what there is.
  const ends = Math.ceil(given.changes * 0.8)
  await give(run, ends + members.length)
  await converge(run)
  await beApart(run, { studies, stores: given.stores, ends, asks: given.changes - ends })
  await comeBack(run)
  return run.figures
}

const noFigures: Omit<PartitionFigures, 'wrong'> = {
  hours: 72,
  stores: 0,
  localReads: 0,
  grantsEnded: 0,
  grantsRefusedMeanwhile: 0,
  suspensions: 0,
  restarts: 0,
  readsBeforeLimit: 0,
  deniedAfterLimit: 0,
  convergedMs: 0,
  logSize: 0,
  readsAfterReturn: 0,
  deniedAfterReturn: 0,
}

function memberAt({ members }: Pick<Run, 'members'>, at: number): Member {
  const member = members[at]
  if (member === undefined) throw new Error(`no member ${at}`)
  return member
}

async function linkAll(run: Run): Promise<void> {
  const linked = run.members.filter((_, at) => !run.off.has(at))
  await Promise.all(linked.map((member) => member.link(run.registry).ready()))
}

async function store(
  { members, stored, figures }: Run,
  at: number,
  set: ReturnType<typeof createStudySet>,
  { from, count }: { from: number; count: number },
): Promise<void> {
  const { studies, instances } = set
  const chosen = studies.slice(from, from + count)
  const items = chosen.flatMap((study) => [...instances(study, 0, 1)])
  figures.stores += await ingestAll(memberAt({ members }, at).archive, items)
  stored[at]?.push(...chosen.map(({ study }) => study as StudyUid))
}

/** Each is asked for by its holder and countersigned. */
async function give(run: Run, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const holder = number % organizations
    const grantee =
      (holder + 1 + (Math.floor(number / organizations) % (organizations - 1))) % organizations
    const { jti } = await createGrant(run, { holder, grantee })
    run.grants.push({ jti, holder, grantee })
  }
}

const createGrant = (run: Run, { holder, grantee }: Pick<Given, 'holder' | 'grantee'>) => {
  const { party, user } = memberAt(run, grantee)
  return memberAt(run, holder).federation.createGrant({
    grantee: party.oid,
    users: [{ uid: user, pos: 'врач-рентгенолог', dep: 'ОЛД', room: '304' }],
  })
}

async function question(run: Run, { jti, holder, grantee }: Given): Promise<string> {
  const { lab, shown } = run
  const at = memberAt(run, holder)
  return await ask(lab, {
    from: memberAt(run, grantee),
    at: at.host,
    holder: at.party,
    study: shown[holder] as StudyUid,
    grant: jti,
  })
}

/** 72 hours. What must hold in each of them is looked at in each of them. */
async function beApart(
  run: Run,
  plan: { studies: ReturnType<typeof createStudySet>; stores: number; ends: number; asks: number },
): Promise<void> {
  const { lab, registry, members, grants, off, figures, below } = run
  for (const member of members) await member.unlink()
  const parts = (total: number, at: number): number =>
    Math.floor((total * (at + 1)) / 72) - Math.floor((total * at) / 72)
  const suspensions = [below(20), 20 + below(25), 45 + below(25)]
  const suspended = [organizations - 1, organizations - 2, organizations - 3]
  let next = members.length
  for (let at = 0; at < 72; at++) {
    for (let part = 0; part < parts(plan.ends, at); part++) await endOne(run)
    for (let part = 0; part < parts(plan.asks, at); part++) {
      const asked = createGrant(run, { holder: below(2), grantee: 2 })
      figures.grantsRefusedMeanwhile +=
        (await asked.then(() => '', codeOf)) === 'unavailable' ? 1 : 0
    }
    const which = suspensions.indexOf(at)
    if (which !== -1) {
      const who = suspended[which] ?? 0
      await registry.suspend(memberAt(run, who).party.oid)
      off.add(who)
      figures.suspensions += 1
    }
    const count = parts(plan.stores, at)
    await store(run, at % organizations, plan.studies, { from: next, count })
    next += count
    await readLocally(run)
    for (let asked = 0; asked < 2; asked++) {
      const grant = grants[below(grants.length)]
      if (grant !== undefined) await lookAcross(run, grant, at)
    }
    if (at % 18 === 9) await restart(run, below(organizations))
    lab.clock.now += hour
    await Promise.all(members.map(({ federation }) => federation.tick()))
  }
  // One suspension is lifted before anybody has heard of it.
  const lifted = organizations - 2
  await registry.suspend(memberAt(run, lifted).party.oid, false)
  off.delete(lifted)
}

async function endOne(run: Run): Promise<void> {
  const { grants, registry, below, figures } = run
  const live = grants.filter(({ endedBy }) => endedBy === undefined)
  // Some must remain, to see that what is in force comes back.
  const grant = live[below(live.length)]
  if (grant === undefined || live.length <= organizations) return
  grant.endedBy =
    (['holder', 'holder', 'holder', 'grantee', 'operator'] as const)[below(5)] ?? 'holder'
  figures.grantsEnded += 1
  if (grant.endedBy === 'operator') return await registry.revokeGrant(grant.jti)
  const by = grant.endedBy === 'holder' ? grant.holder : grant.grantee
  await memberAt(run, by).federation.revokeGrant(grant.jti)
}

async function readLocally(run: Run): Promise<void> {
  const { stored, figures, below } = run
  for (const at of stored.keys()) {
    const own = stored[at] ?? []
    const study = own[below(own.length)]
    const bytes = study === undefined ? 0 : await memberAt(run, at).readOwn(study)
    if (bytes === 0) figures.wrong.push(`local study ${study} of ${at} was not read`)
    else figures.localReads += 1
  }
}

async function lookAcross(run: Run, grant: Given, at: number): Promise<void> {
  const { figures } = run
  const answer = await question(run, grant)
  const isOver = at >= staleHours || grant.endedBy === 'holder'
  if (answer !== (isOver ? 'forbidden' : 'read')) {
    figures.wrong.push(`hour ${at}: ${answer} under grant ${JSON.stringify(grant)}`)
  } else if (isOver) figures.deniedAfterLimit += 1
  else figures.readsBeforeLimit += 1
}

async function restart(run: Run, at: number): Promise<void> {
  const { lab, members, figures } = run
  const { party } = memberAt(run, at)
  await memberAt(run, at)[Symbol.asyncDispose]()
  members[at] = await lab.startMember(party)
  figures.restarts += 1
  // Its old address is in nobody's directory any more; questions name the new one themselves.
  await members[at].publisher.settled()
}

/** The registry is there again: one round of learning, without the help of a beat. */
async function comeBack(run: Run): Promise<void> {
  const { members, grants, off, figures } = run
  const begun = performance.now()
  await linkAll(run)
  await converge(run)
  figures.convergedMs = Math.round(performance.now() - begun)
  for (const grant of grants) {
    const isOver = grant.endedBy !== undefined
    const isOff = off.has(grant.holder) || off.has(grant.grantee)
    const answer = await question(run, grant)
    // Who is suspended has not been let in by the registry, so it knows nothing newer; it is not let in anywhere.
    const isRight = isOver || isOff ? answer !== 'read' : answer === 'read'
    if (!isRight) figures.wrong.push(`after the return: ${answer} under ${JSON.stringify(grant)}`)
    else if (answer === 'read') figures.readsAfterReturn += 1
    else figures.deniedAfterReturn += 1
    if (isOver && !isOff) lookForGhost(run, grant)
  }
  const { jti } = await createGrant(run, { holder: 0, grantee: 1 })
  const answer = await question(run, { jti, holder: 0, grantee: 1 })
  if (answer !== 'read') figures.wrong.push(`a new grant after the return: ${answer}`)
  if (members.some(({ alarms }) => alarms.some((text) => text.startsWith('log_inconsistent')))) {
    figures.wrong.push(`false alarm: ${members.flatMap(({ alarms }) => alarms).join()}`)
  }
}

/** An ended grant is over on both sides, whoever ended it. */
function lookForGhost(run: Run, { jti, holder, grantee }: Given): void {
  const held = memberAt(run, holder).federation.epochFacts()?.grants.get(jti)?.active
  const received = memberAt(run, grantee)
    .federation.receivedGrants()
    .find(({ facts }) => facts.grant.claims.jti === jti)?.active
  if (held !== false || received !== false) {
    run.figures.wrong.push(`grant ${jti} has risen: held ${held}, received ${received}`)
  }
}

/** Everybody who is let in has the same log, the registry's index is the nodes' own, and every set of grants is fresh. */
async function converge(run: Run): Promise<void> {
  const { members, off, figures } = run
  const here = members.filter((_, at) => !off.has(at))
  await until('the members agree with the registry', async () => {
    const states = await Promise.all(here.map((member) => stateOf(run, member)))
    const [first] = states
    figures.logSize = first?.size ?? 0
    return states.every(
      ({ root, isFresh, isIndexed }) => root === first?.root && isFresh && isIndexed,
    )
  })
}

async function stateOf({ lab, registry }: Run, { host, federation, publisher }: Member) {
  const connection = host.connection(registry.peerId)
  if (connection === undefined) return { size: 0, root: 'away', isFresh: false, isIndexed: false }
  const { newest } = await connection.request('log.checkpoint', {})
  const theirs = await connection.request('index.head', {})
  const [note = newest] = federation.transparency.notes()
  const [own, log] = [note, newest].map((text) => parseCheckpoint(parseNote(text).text))
  const roots = [own, log].map((one) => (one === undefined ? '' : `${one.size} ${toHex(one.root)}`))
  await publisher.settled()
  return {
    size: log?.size ?? 0,
    // Another root than the registry's is nobody else's.
    root: roots[0] === roots[1] ? roots[0] : `${host.peerId} ${roots[0]}`,
    isFresh: (federation.epochFacts()?.freshAt ?? 0) > lab.clock.now - 60_000,
    isIndexed: publisher.head().seq === theirs.seq && publisher.head().digest === theirs.digest,
  }
}
