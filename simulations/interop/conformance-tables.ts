import { readFileSync } from 'node:fs'
import { errorCodes, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import * as limits from '#protocol/limits.ts'
import { deviceServices } from '../../node/config.ts'
import { isDecodable } from '../../node/dicom/codecs/decode.ts'
import { keywordOf } from '../../node/dicom/dictionary.ts'
import { indexTags } from '../../node/dicom/index-attributes.ts'
import { isStorage } from '../../node/dicom/storage-classes.ts'
import { htj2kLossless } from '../../node/dicom/transcode/transcode.ts'
import { transferSyntaxes } from '../../node/dicom/transfer-syntax.ts'
import { createDicomweb, type DicomwebDeps } from '../../node/dicomweb/router.ts'
import { commandField } from '../../node/dimse/command-set.ts'
import { failureReason } from '../../node/dimse/commitment-data.ts'
import { rejections } from '../../node/dimse/pdu.ts'
import { performedStepClass } from '../../node/dimse/performed-step.ts'
import { findModels, getModels, moveModels } from '../../node/dimse/query/models.ts'
import { textEncoder } from '../../node/dicom/text-encoder.ts'
import { returned, usedClasses } from '../../node/dimse/remote-archive.ts'
import { outcomeOfError, outcomeOfFailure, status, type Outcome } from '../../node/dimse/status.ts'
import { choose, commitmentClass, verification } from '../../node/dimse/syntaxes.ts'
import { tlsProfile } from '../../node/dimse/tls.ts'
import { worklistClass } from '../../node/dimse/worklist.ts'
import { statusOf } from '../../node/http/errors.ts'

/** The tables of `docs/CONFORMANCE.md`, made from the code that does what they say. */
export const tables: Record<string, () => string> = {
  'network-services': networkTable,
  services: serviceTable,
  'storage-classes': storageTable,
  'transfer-syntaxes': syntaxTable,
  rejections: rejectionTable,
  'store-statuses': () => outcomeTable(outcomeOfError),
  'service-statuses': () =>
    outcomeTable((error) => outcomeOfFailure(error, commandField.findRequest)),
  'normalized-statuses': normalizedTable,
  statuses: () => table(['code', 'status'], codeRows(status)),
  'commitment-failures': () =>
    table(['code', 'Failure Reason (0008,1197)'], codeRows(failureReason)),
  'query-keys': () => keyList(),
  'character-sets': characterSetTable,
  tls: tlsTable,
  resources: resourceTable,
  'http-statuses': httpTable,
  'association-limits': () => limitTable(limits.dimseLimits),
  'query-limits': () => limitTable(limits.queryLimits),
  'service-limits': () => limitTable({ ...limits.worklistLimits, ...limits.commitmentLimits }),
  'send-limits': () => limitTable({ ...limits.sendLimits, ...limits.queueLimits }),
  'report-limits': () => limitTable(limits.reportQueueLimits),
  'remote-keys': remoteKeyTable,
  'remote-limits': () => limitTable(limits.remoteArchiveLimits),
  'instance-limits': () => limitTable(limits.instanceLimits),
  'dicomweb-limits': () => limitTable({ ...limits.dicomwebLimits, ...limits.pixelLimits }),
  'media-limits': () => limitTable(limits.mediaLimits),
  permissions: () => deviceServices.map((name) => `\`${name}\``).join(', '),
}

type Uid = { uid: string; kind: string; isRetired: boolean; name: string }

/** SOP classes and transfer syntaxes of the standard (PS3.6 §A). */
const uids: readonly Uid[] = readFileSync(new URL('uids.tsv', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [uid = '', kind = '', retired, name = ''] = line.split('\t')
    return { uid, kind, isRetired: retired !== '', name: name.replace(/ \(Retired\)$/, '') }
  })
const named = (uid: string): string => uids.find((one) => one.uid === uid)?.name ?? 'not named'
const syntaxes = uids.filter(({ kind }) => kind === 'syntax')

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** SOP class, its operations, and who may ask for them. */
const services: readonly (readonly string[])[] = [
  [verification, 'C-ECHO', 'everybody who may associate'],
  ...[...findModels.keys()].map((uid) => [uid, 'C-FIND', '`query`']),
  ...[...moveModels.keys()].map((uid) => [uid, 'C-MOVE', '`retrieve`']),
  ...[...getModels.keys()].map((uid) => [uid, 'C-GET', '`retrieve`']),
  [worklistClass, 'C-FIND', '`worklist`'],
  [performedStepClass, 'N-CREATE, N-SET', '`performed-step`'],
  [commitmentClass, 'N-ACTION, N-EVENT-REPORT', '`commitment`'],
]
const isService = (uid: string) => uid !== verification

function networkTable(): string {
  const used = new Set<string>([...Object.values(usedClasses), commitmentClass])
  const yes = (is: boolean) => (is ? 'yes' : 'no')
  const isProvided = (uid: string) =>
    choose(uid, [transferSyntaxes.implicitLittleEndian], { isService }).result === 'accepted'
  return table(
    ['network service', 'as user (SCU)', 'as provider (SCP)'],
    [
      ['Storage, all classes of section 4.2.2 and private ones', 'yes', yes(isProvided(ctImage))],
      ...services.map(([uid = '']) => [named(uid), yes(used.has(uid)), yes(isProvided(uid))]),
    ],
  )
}

function remoteKeyTable(): string {
  const words = (tags: readonly string[]) => tags.map((tag) => keywordOf(tag) ?? tag).join(', ')
  return table(
    ['level', 'asked for'],
    Object.entries(returned).map(([level, tags]) => [level, words(tags)]),
  )
}

function serviceTable(): string {
  return table(
    ['SOP class', 'UID', 'services', 'permission', 'transfer syntaxes', 'SCU role', 'SCP role'],
    services.map(([uid = '', what = '', permission = '']) => {
      const chosen = syntaxes.filter(
        (one) => choose(uid, [one.uid], { isService }).result === 'accepted',
      )
      const rolesOf = () => ({ user: true, provider: true })
      const roles = choose(uid, [chosen[0]?.uid ?? ''], { isService, rolesOf })
      const provider = roles.result === 'accepted' && roles.roles?.provider === true
      const names = chosen.map(({ name }) => name).join(', ')
      return [named(uid), uid, what, permission, names, 'yes', provider ? 'yes' : 'no']
    }),
  )
}

function storageTable(): string {
  const found = uids.filter(({ uid, kind }) => kind === 'class' && isStorage(uid))
  return table(
    ['SOP class', 'UID'],
    found.map(({ name, uid, isRetired }) => [
      // PS3.6 has taken the names of some retired classes away.
      `${name || 'without a name in PS3.6'}${isRetired ? ' (retired)' : ''}`,
      uid,
    ]),
  )
}

const ctImage = '1.2.840.10008.5.1.4.1.1.2'

/** What could be a transfer syntax of the standard: what is accepted without having a name here must be seen too. */
const possibleSyntaxes = ['', ...Array.from({ length: 300 }, (_, number) => `.${number}`)]
  .flatMap((end) => [end, `.1${end}`, `.4${end}`, `.4${end}.1`, `.8${end}`])
  .map((end) => `1.2.840.10008.1.2${end}`)

function syntaxTable(): string {
  const written = new Set<string>([
    transferSyntaxes.implicitLittleEndian,
    transferSyntaxes.explicitLittleEndian,
    htj2kLossless,
  ])
  const yes = (is: boolean) => (is ? 'yes' : '–')
  return table(
    ['transfer syntax', 'UID', 'C-STORE', 'pixels decoded', 'written'],
    [...new Set(possibleSyntaxes)]
      .toSorted((one, another) => one.localeCompare(another, 'en', { numeric: true }))
      .map((uid) => {
        const isTaken = choose(ctImage, [uid]).result === 'accepted'
        return [named(uid), uid, yes(isTaken), yes(isDecodable(uid)), yes(written.has(uid))]
      })
      .filter((cells) => cells.includes('yes')),
  )
}

function rejectionTable(): string {
  const results = ['', 'permanent', 'transient']
  return table(
    ['reason', 'result', 'source', 'code'],
    Object.entries(rejections).map(([name, [result, source, reason]]) => [
      words(name),
      results[result] ?? '',
      String(source),
      String(reason),
    ]),
  )
}

const outcomeHead = ['status', 'Error Comment (0000,0902)', 'code in logs'] as const

/** What the peer is told, and of which failures. */
const outcomeTable = (outcomeOf: (error: unknown) => Outcome): string =>
  table(outcomeHead, outcomeRows(outcomeOf))

function normalizedTable(): string {
  const requests = {
    'N-EVENT-REPORT': commandField.eventReportRequest,
    'N-ACTION': commandField.actionRequest,
    'N-CREATE': commandField.createRequest,
    'N-SET': commandField.attributesSetRequest,
  }
  const rows = Object.entries(requests).flatMap(([name, field]) =>
    outcomeRows((error) => outcomeOfFailure(error, field)).map((row) => ({ name, row })),
  )
  const groups = Map.groupBy(rows, ({ row }) => row.join('|'))
  return table(
    [...outcomeHead, 'requests'],
    [...groups]
      .toSorted(([one], [another]) => (one < another ? -1 : 1))
      .map(([, same]) => [...(same[0]?.row ?? []), same.map(({ name }) => name).join(', ')]),
  )
}

function outcomeRows(outcomeOf: (error: unknown) => Outcome): string[][] {
  const other = outcomeOf(new ProtocolError('internal', ''))
  const keyOf = ({ status: code, comment }: Outcome) => `${hex(code)}|${comment}`
  const groups = new Map<string, ErrorCode[]>([[keyOf(other), []]])
  for (const code of errorCodes) {
    const key = keyOf(outcomeOf(new ProtocolError(code, '')))
    groups.set(key, [...(groups.get(key) ?? []), code])
  }
  return [...groups]
    .map(([key, codes]) => {
      const [code = '', comment = ''] = key.split('|')
      const logged = key === keyOf(other) ? 'any other' : codes.join(', ')
      return [code, comment, logged]
    })
    .toSorted(([one = ''], [another = '']) => (one < another ? -1 : 1))
}

function codeRows(codes: Record<string, number>): string[][] {
  return Object.entries(codes)
    .toSorted(([, one], [, another]) => one - another)
    .map(([name, code]) => [hex(code), words(name)])
}

const hex = (code: number): string => code.toString(16).toUpperCase().padStart(4, '0')

const words = (name: string): string =>
  name.replaceAll(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)

const keyList = (): string =>
  [...indexTags]
    .toSorted((one, another) => one - another)
    .map((tag) => tag.toString(16).toUpperCase().padStart(8, '0'))
    .map((tag) => `${keywordOf(tag) ?? '?'} (${tag.slice(0, 4)},${tag.slice(4)})`)
    .join(', ')

/** Single-byte sets by the number in their defined terms (PS3.3 §C.12.1.1.2), and a letter of each. */
const singleByte = 'é100 ł101 ĥ109 ņ110 Я144 ع127 Ω126 א138 ğ148 œ203 ก166 ｱ13'
/** Sets that are there only by code extension. */
const multiByte = '漢87 丂159 한149 汉58'

function characterSetTable(): string {
  const termsOf = (prefix: string, letters: string) =>
    letters.split(' ').map((one) => [`${prefix} ${one.slice(1)}`, one.slice(0, 1)] as const)
  const terms = [
    ...termsOf('ISO_IR', `${singleByte} 漢192`),
    ['GB18030', '汉'] as const,
    ['GBK', '汉'] as const,
    ...termsOf('ISO 2022 IR', `A6 ${singleByte} ${multiByte}`),
  ]
  // A set may be declared beside others, and yet be one that is only read: whether it is written its letters tell.
  const isWritten = ([term, letter]: readonly [string, string]) => {
    const encoder = textEncoder(term.startsWith('ISO 2022') ? ['ISO 2022 IR 6', term] : [term])
    const room = Buffer.alloc(encoder?.bytesFor(letter) ?? 0)
    return encoder !== undefined && encoder.write(letter, room, 0, false) >= 0
  }
  const namesOf = (some: typeof terms) => some.map(([term]) => term).join(', ')
  return table(
    ['answers', 'defined terms'],
    [
      ['in the set that was asked in', namesOf(terms.filter(isWritten))],
      ['in ISO_IR 144, else in ISO_IR 192', namesOf(terms.filter((one) => !isWritten(one)))],
    ],
  )
}

function tlsTable(): string {
  const { minVersion, maxVersion, ciphers } = tlsProfile
  return table(
    ['TLS', ''],
    [
      ['versions', `${minVersion} to ${maxVersion}`],
      ['cipher suites', ciphers.split(':').join(', ')],
    ],
  )
}

function resourceTable(): string {
  // Nothing is called while routes are made.
  const router = createDicomweb({ doors: {}, pool: {}, deletePolicy: 'reject' } as DicomwebDeps)
  const rows = router.stack.flatMap(({ path, methods }) =>
    methods
      .filter((method) => method !== 'HEAD')
      .map((method) => [method, `\`/dicom-web${String(path).replaceAll(/[:*](\w+)/g, '{$1}')}\``]),
  )
  return table(['method', 'resource'], rows)
}

function httpTable(): string {
  const groups = Map.groupBy(errorCodes, (code) => statusOf(code))
  return table(
    ['status', 'code in the body'],
    [...groups]
      .toSorted(([one], [another]) => one - another)
      .map(([code, names]) => [String(code), names.join(', ')]),
  )
}

function limitTable(values: Readonly<Record<string, number>>): string {
  return table(
    ['limit', 'value'],
    Object.entries(values).map(([name, value]) => [`\`${name}\``, amount(name, value)]),
  )
}

function amount(name: string, value: number): string {
  if (/Ms(Max|Min)?$/.test(name))
    return scaled(value, [
      [3_600_000, 'h'],
      [60_000, 'min'],
      [1000, 's'],
      [1, 'ms'],
    ])
  if (/[bB]ytes/.test(name)) {
    return scaled(value, [
      [1024 ** 3, 'GiB'],
      [1024 ** 2, 'MiB'],
      [1024, 'KiB'],
      [1, 'B'],
    ])
  }
  return value.toLocaleString('en-US')
}

/** In the greatest unit that leaves a whole number. */
function scaled(value: number, units: readonly (readonly [number, string])[]): string {
  const [size, unit] = units.find(([one]) => value >= one && value % one === 0) ?? [1, '']
  return `${(value / size).toLocaleString('en-US')} ${unit}`.trim()
}
