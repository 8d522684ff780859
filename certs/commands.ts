import { z } from 'zod'
import { credentialKind, verifyCredential } from '#protocol/credential.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { Kid, OrganizationOid } from '#protocol/ids.ts'
import { createSigner, decodeToken } from '#protocol/jws.ts'
import { publicJwk } from '#protocol/keys.ts'
import { tokenLimits } from '#protocol/limits.ts'
import { trustListKind, verifyTrustList } from '#protocol/trust-list.ts'
import type { TrustList } from '#protocol/trust-list.ts'
import { parseVerifierKey, signatureType, verifierKey } from '#protocol/transparency/note.ts'
import { readArguments } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { createKey } from './authority.ts'
import { describeKey } from './describe-key.ts'
import { answerChallenge, makeChallenge, provenKey } from './enroll.ts'
import { inspect, issueCredential, signTrustList } from './issue.ts'
import {
  readEitherKeyFile,
  readKeyFile,
  readPublicKeyFile,
  readSmallFile,
  writeKeyFiles,
  writeNewFile,
} from './key-file.ts'
import { describeLog, judgeLog, readFromFolder, readFromUrl } from './log.ts'
import { changeKey, keyBefore } from './rekey.ts'
import { usage } from './usage.ts'

export type Io = {
  out(text: string): void
  err(text: string): void
  clock(): number
  random(bytes: number): Uint8Array
}

type Command = {
  names: readonly string[]
  /** How many are named by position. */
  files: number | readonly number[]
  run(given: Arguments, io: Io): Promise<void>
}

const commands: Record<string, Command> = {
  root: { names: ['out'], files: 0, run: makeKey },
  'issuing-key': { names: ['out'], files: 0, run: makeKey },
  'node-key': { names: ['out'], files: 0, run: makeKey },
  'log-key': { names: ['out', 'name'], files: 0, run: makeLogKey },
  'witness-key': { names: ['out', 'oid'], files: 0, run: makeWitnessKey },
  'trust-list': {
    names: [
      'root',
      'issuer',
      'registry',
      'out',
      'previous',
      'days',
      'second-factor',
      'stale-after-hours',
      'log',
      'witness',
      'transparency',
    ],
    files: 0,
    run: makeTrustList,
  },
  credential: {
    names: [
      'issuer',
      'oid',
      'name',
      'key',
      'out',
      'days',
      'form1-no',
      'form1-date',
      'rekey',
      'previous',
      'challenge',
      'proof',
      'digits',
    ],
    files: 0,
    run: makeCredential,
  },
  challenge: { names: ['oid', 'key', 'out'], files: 0, run: makeChallenge },
  prove: { names: ['key', 'challenge', 'out'], files: 0, run: answerChallenge },
  log: { names: ['authority', 'url'], files: [1, 2], run: verifyLog },
  rekey: { names: ['old', 'new', 'oid', 'out'], files: 0, run: changeKey },
  inspect: { names: ['authority', 'trust-list'], files: 1, run: showToken },
  fingerprint: { names: [], files: 1, run: showFingerprint },
}

/** Exit codes: 0 done, 2 wrong usage or a file that cannot be used, with one sentence on stderr. */
export async function run(argv: string[], io: Io): Promise<number> {
  const [name, ...rest] = argv
  if (name === '--help' || name === '-h' || name === 'help') {
    io.out(usage)
    return 0
  }
  if (name === undefined) {
    io.err(usage)
    return 2
  }
  try {
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined) {
      throw invalid(`${name} is not a command: run certs without one for the list`)
    }
    const given = readArguments(name, rest, command.names)
    if (![command.files].flat().includes(given.files.length)) {
      throw invalid(
        `${name}: ${command.files === 0 ? 'takes no file by position' : 'name one file'}`,
      )
    }
    await command.run(given, io)
    return 0
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    io.err(`certs: ${error.message.replaceAll(/\s+/g, ' ')}\n`)
    return 2
  }
}

const invalid = (message: string, cause?: unknown): ProtocolError =>
  new ProtocolError('configuration_invalid', message, { cause })

const day = 24 * 60 * 60
const daysMax = {
  trustList: tokenLimits.trustListLifetimeSeconds / day,
  credential: tokenLimits.credentialLifetimeSeconds / day,
}

async function makeKey(given: Arguments, io: Io): Promise<void> {
  const file = given.text('out')
  const key = createKey(io.random(32))
  await writeKeyFiles(file, key)
  io.out(await describeKey(key))
}

async function makeLogKey(given: Arguments, io: Io): Promise<void> {
  const name = given.text('name')
  const key = createKey(io.random(32))
  const line = verifierKey({ name, type: signatureType.ed25519, jwk: publicJwk(key) })
  await writeKeyFiles(given.text('out'), key)
  io.out(`verifier    ${line}\n`)
}

async function makeWitnessKey(given: Arguments, io: Io): Promise<void> {
  const oid = given.value('oid', OrganizationOid, 'an organization OID of the ФРМО register')
  const key = createKey(io.random(32))
  const name = `oid/${oid}`
  const line = verifierKey({ name, type: signatureType.cosignature, jwk: publicJwk(key) })
  await writeKeyFiles(given.text('out'), key)
  io.out(`verifier    ${line}\n`)
}

async function verifyLog(given: Arguments, io: Io): Promise<void> {
  const [verb, dir] = given.files
  const url = given.optional('url')
  if (verb !== 'verify' || (dir === undefined) === (url === undefined)) {
    throw invalid('log: say "log verify DIR", or "log verify --url URL"')
  }
  const authority = given.value('authority', Kid, 'a key thumbprint of 43 letters')
  const read = dir === undefined ? readFromUrl(url ?? '') : readFromFolder(dir)
  const found = await named(dir ?? url ?? '', () => judgeLog(read, authority))
  io.out(describeLog(found, io.clock()))
}

/** The log and its witnesses, as the lists of the authority name them. */
function logTrust(given: Arguments) {
  const transparency = given.optional('transparency') ?? 'off'
  if (transparency !== 'off' && transparency !== 'required') {
    throw invalid(`trust-list: --transparency ${transparency} is neither required nor off`)
  }
  const key = given.optional('log')
  if (key === undefined) {
    if (transparency === 'off') return { transparency } as const
    throw invalid('trust-list: --transparency required needs a --log')
  }
  const witnesses = given.optionalList('witness')
  const isOf = (line: string, type: number): boolean => parseVerifierKey(line).type === type
  const isRight =
    isOf(key, signatureType.ed25519) &&
    witnesses.every((line) => isOf(line, signatureType.cosignature))
  if (!isRight) throw invalid('trust-list: --log or --witness is a verifier key of another kind')
  return { transparency, log: { key, witnesses } } as const
}

async function makeTrustList(given: Arguments, io: Io): Promise<void> {
  const root = await createSigner(await readKeyFile(given.text('root')))
  const issuers = await Promise.all(given.list('issuer').map(readPublicKeyFile))
  const registry = await readPublicKeyFile(given.text('registry'))
  if (issuers.some(({ x }) => x === registry.x)) {
    throw invalid('trust-list: --registry is an issuing key, too: make a key for each purpose')
  }
  const out = given.text('out')
  const factor = given.optional('second-factor') ?? 'required'
  if (factor !== 'required' && factor !== 'optional') {
    throw invalid(`trust-list: --second-factor ${factor} is neither required nor optional`)
  }
  const { transparency, log } = logTrust(given)
  const token = await signTrustList({
    root,
    issuers,
    registry,
    policy: {
      secondFactor: factor,
      staleAfterHours: given.integer('stale-after-hours', 24, 72),
      transparency,
    },
    ...(log !== undefined && { log }),
    now: io.clock(),
    days: given.integer('days', 365, daysMax.trustList),
    ...(await following(given.optional('previous'), root.kid)),
  })
  await writeNewFile(out, `${token}\n`, 0o644)
  io.out(`authority   ${root.kid}\n`)
}

/** Number and link of the list after `file`; an ended one may be followed, too. */
async function following(file: string | undefined, authority: Kid) {
  if (file === undefined) return { ver: 1 }
  const token = await readToken(file)
  return named(file, async () => {
    const { claims } = decodeToken(token, trustListKind)
    const { digest } = await verifyTrustList(token, { authority, now: claims.iat * 1000 })
    return { ver: claims.ver + 1, prev: digest }
  })
}

/** A refusal says which file it is about. */
async function named<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw invalid(`${file} is refused (${cause.code}): ${cause.message}`, cause)
  }
}

async function makeCredential(given: Arguments, io: Io): Promise<void> {
  const issuer = await createSigner(await readKeyFile(given.text('issuer')))
  const jwk = await readPublicKeyFile(given.text('key'))
  const out = given.text('out')
  const no = given.optional('form1-no')
  const date = given.optional('form1-date')
  if ((no === undefined) !== (date === undefined)) {
    throw invalid('credential: --form1-no and --form1-date belong together: give both or none')
  }
  const oid = given.value('oid', OrganizationOid, 'an organization OID of the ФРМО register')
  const follows = await keyBefore(given, { oid, jwk, now: io.clock() })
  const said = {
    name: given.text('name'),
    days: given.integer('days', 365, daysMax.credential),
    ...(no === undefined || date === undefined
      ? {}
      : { form1: { no, date: given.value('form1-date', z.iso.date(), 'a date') } }),
  }
  // A change of key is signed by the new one, too: it has proven itself.
  const why = follows ?? (await provenKey(given, { oid, jwk, now: io.clock() }))
  const token = await issueCredential({
    ...said,
    issuer,
    oid,
    jwk,
    now: io.clock(),
    random: (bytes) => io.random(bytes),
    ...(follows === undefined ? { proof: why } : { follows }),
  })
  await writeNewFile(out, `${token}\n`, 0o644)
  io.out(await describeKey(jwk))
}

async function showToken(given: Arguments, io: Io): Promise<void> {
  const [file = ''] = given.files
  const token = await readToken(file)
  const { typ, kid, digest, claims } = await named(file, () => inspect(token))
  const trust = await trustOf(given, io.clock())
  const signature = await named(file, () => judge(token, typ, trust))
  io.out(`${JSON.stringify({ typ, kid, digest, signature, claims }, null, 2)}\n`)
}

type Trust = { now: number; authority: Kid; trust?: TrustList }

async function trustOf(given: Arguments, now: number): Promise<Trust | undefined> {
  if (given.optional('authority') === undefined) return undefined
  const authority = given.value('authority', Kid, 'a key thumbprint of 43 letters')
  const file = given.optional('trust-list')
  if (file === undefined) return { now, authority }
  const token = await readToken(file)
  const { claims } = await named(file, () => verifyTrustList(token, { authority, now }))
  return { now, authority, trust: claims }
}

/** A trust list is judged by the authority's thumbprint, a credential by a trust list as well. */
async function judge(token: string, typ: string, known: Trust | undefined): Promise<string> {
  if (known !== undefined && typ === trustListKind.typ) {
    await verifyTrustList(token, known)
    return 'valid now'
  }
  if (known?.trust !== undefined && typ === credentialKind.typ) {
    await verifyCredential(token, { trust: known.trust, now: known.now })
    return 'valid now'
  }
  return 'not checked'
}

async function showFingerprint(given: Arguments, io: Io): Promise<void> {
  const [file = ''] = given.files
  io.out(await describeKey(await readEitherKeyFile(file)))
}

async function readToken(file: string): Promise<string> {
  return (await readSmallFile(file, tokenLimits.epochBytes + 2)).trim()
}
