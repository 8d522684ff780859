import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { corpusFiles } from '../corpus.ts'
import { callAll, words, type Row, type ToolCall } from './call.ts'
import type { Stage } from './stage.ts'
import { corpusPaths, slices, subjectOf, type Subject } from './subjects.ts'

const echoed = /Received Echo Response \(Success\)/
const stored = /Received Store Response \(Success\)/
const allSent = /with status SUCCESS\s*: \d+/
const pending = /Received Find Response \d+(?: \(Pending\))?|Find Response: \d+ \(Pending\)/
const moved = /Received Final Move Response \(Success\)/

/** dcmtk's own names for the levels of its keys. */
function keysOf(level: string, { patientId, study, series }: Subject, root: string): string[] {
  const keys = [`0008,0052=${level}`, '0008,0005']
  if (root === '-P' || root === '-O') keys.push(`0010,0020=${level === 'PATIENT' ? '' : patientId}`)
  if (level === 'STUDY') keys.push('0020,000D', '0010,0010', '0008,0061', '0020,1208')
  if (level === 'SERIES') keys.push(`0020,000D=${study}`, '0020,000E', '0008,0060')
  if (level === 'IMAGE') keys.push(`0020,000D=${study}`, `0020,000E=${series}`, '0008,0018')
  return keys.flatMap((key) => ['-k', key])
}

const studyKeys = ({ study }: Subject) => ['-k', '0008,0052=STUDY', '-k', `0020,000D=${study}`]

/** Every client of dcmtk against the node. */
export async function callDcmtk(stage: Stage): Promise<Row[]> {
  const subject = subjectOf(slices()[0] ?? '')
  const rows: Row[] = []
  for (const make of [storing, secure, finding, moving, getting]) {
    rows.push(...(await callAll(await make(stage, subject))))
  }
  return rows
}

type Call = Omit<ToolCall, 'peer'>
const dcmtk = (call: Call): ToolCall => ({ peer: 'dcmtk', ...call })

/** Titles of both sides, and where the node is. */
function sides({ node }: Stage, callingAe: string, port = node.dimse.port) {
  const { host, aeTitle } = node.dimse
  return { as: words(`-v -aet ${callingAe} -aec ${aeTitle}`), at: [host, String(port)] }
}

async function storing(stage: Stage): Promise<ToolCall[]> {
  const { as, at } = sides(stage, 'STORESCU')
  const files = slices()
  const sent = (service: string, ...paths: string[]) =>
    dcmtk({ service, tool: 'dcmsend', args: [...as, ...at, ...paths], expects: allSent })
  return [
    dcmtk({ service: 'C-ECHO', tool: 'echoscu', args: [...as, ...at], expects: echoed }),
    dcmtk({
      service: 'C-STORE',
      tool: 'storescu',
      args: [...as, ...at, ...files.slice(0, 5)],
      expects: stored,
      countMin: 5,
    }),
    sent('C-STORE', ...files.slice(5)),
    sent('C-STORE of a report', corpusPaths('modalities/SR/')[0] ?? ''),
    sent('C-STORE, then route and commitment', corpusPaths('modalities/MG/')[0] ?? ''),
    ...compressed().map(([option, file]) =>
      dcmtk({
        service: 'C-STORE in another syntax',
        tool: 'storescu',
        args: [option, ...as, ...at, file],
        expects: stored,
      }),
    ),
  ]
}

async function secure(stage: Stage): Promise<ToolCall[]> {
  const { cert, key } = stage.certificates
  const { as, at } = sides(stage, 'ANY-SCU', stage.tlsPort)
  return [
    dcmtk({
      service: 'C-ECHO over TLS',
      tool: 'echoscu',
      args: ['+tls', key, cert, '+cf', cert, ...as, ...at],
      expects: echoed,
    }),
    dcmtk({
      service: 'C-STORE over TLS',
      tool: 'storescu',
      args: [...words('+tla -ic'), ...as, ...at, slices()[0] ?? ''],
      expects: stored,
    }),
  ]
}

async function finding(stage: Stage, subject: Subject): Promise<ToolCall[]> {
  const { as, at } = sides(stage, 'FINDSCU')
  const find = (service: string, args: readonly string[], expects: RegExp, countMin = 1) =>
    dcmtk({
      service: `C-FIND ${service}`,
      tool: 'findscu',
      args: [...as, ...args],
      expects,
      countMin,
    })
  const everywhere = (
    [
      ['-P', ['PATIENT', 'STUDY', 'SERIES', 'IMAGE']],
      ['-S', ['STUDY', 'SERIES', 'IMAGE']],
      ['-O', ['PATIENT', 'STUDY']],
    ] as const
  ).flatMap(([root, levels]) =>
    levels.map((level) => {
      const count = level === 'IMAGE' ? slices().length : 1
      const args = [root, ...at, ...keysOf(level, subject, root)]
      return find(`${roots[root]} ${level}`, args, pending, count)
    }),
  )
  const wrong = find(
    'without level',
    ['-S', ...at, ...words('-k 0010,0020')],
    /DataSetDoesNotMatch/,
  )
  return [
    ...everywhere,
    find(
      'with C-CANCEL',
      [...words('-S --cancel 1'), ...at, ...keysOf('IMAGE', subject, '-S')],
      /Received Final Find Response \(.+\)/,
    ),
    { ...wrong, anyCode: true },
    find('worklist', ['-W', ...at, ...worklistKeys], pending),
  ]
}

async function moving(stage: Stage, subject: Subject): Promise<ToolCall[]> {
  const { as, at } = sides(stage, 'MOVESCU')
  const folder = path.join(stage.scratch, 'moved')
  await mkdir(folder)
  const move = (service: string, args: readonly string[], expects: RegExp) =>
    dcmtk({ service: `C-MOVE ${service}`, tool: 'movescu', args: [...as, ...args], expects })
  const study = studyKeys(subject)
  const series = words(`-k 0008,0052=SERIES -k 0020,000D=${subject.study}`)
  const itself = words(`-aem MOVESCU +P ${stage.ports.movescu} -S`)
  const unknown = move(
    'to nobody',
    [...words('-aem NOBODY -S'), ...at, ...study],
    /MoveDestinationUnknown/,
  )
  return [
    move('to a third', [...words(`-aem ${stage.receiver.aeTitle} -S`), ...at, ...study], moved),
    move(
      'SERIES to itself',
      [...itself, '-od', folder, ...at, ...series, ...words(`-k 0020,000E=${subject.series}`)],
      moved,
    ),
    { ...unknown, anyCode: true },
  ]
}

async function getting(stage: Stage, subject: Subject): Promise<ToolCall[]> {
  const { as, at } = sides(stage, 'GETSCU')
  const folder = path.join(stage.scratch, 'got')
  await mkdir(folder)
  const { patientId, study, series, sop } = subject
  const get = (service: string, args: readonly string[], count: number) =>
    dcmtk({
      service: `C-GET ${service}`,
      tool: 'getscu',
      args: [...as, '-od', folder, ...args],
      expects: new RegExp(`Completed Suboperations +: ${count}\\b`),
    })
  return [
    get('Study Root STUDY', ['-S', ...at, ...studyKeys(subject)], slices().length),
    get(
      'Patient Root IMAGE',
      [
        '-P',
        ...at,
        '-k',
        `0010,0020=${patientId}`,
        ...words(`-k 0008,0052=IMAGE -k 0020,000D=${study} -k 0020,000E=${series}`),
        ...words(`-k 0008,0018=${sop}`),
      ],
      1,
    ),
  ]
}

const roots = { '-P': 'Patient Root', '-S': 'Study Root', '-O': 'Patient/Study Only' } as const

const worklistKeys = words(
  '-k 0010,0010 -k 0010,0020 -k 0008,0050 -k 0020,000D -k 0040,0100[0].0008,0060 -k 0040,0100[0].0040,0002',
)

/** One file for each compressed syntax that `storescu` can propose. */
function compressed(): [option: string, file: string][] {
  const options: Record<string, string> = {
    '-xs': '1.2.840.10008.1.2.4.70',
    '-xy': '1.2.840.10008.1.2.4.50',
    '-xx': '1.2.840.10008.1.2.4.51',
    '-xv': '1.2.840.10008.1.2.4.90',
    '-xw': '1.2.840.10008.1.2.4.91',
    '-xt': '1.2.840.10008.1.2.4.80',
    '-xu': '1.2.840.10008.1.2.4.81',
    '-xr': '1.2.840.10008.1.2.5',
    '-xi': '1.2.840.10008.1.2',
    '-xb': '1.2.840.10008.1.2.2',
  }
  return Object.entries(options).flatMap(([option, syntax]): [string, string][] => {
    const file = fileIn(syntax)
    return file === undefined ? [] : [[option, file]]
  })
}

const fileIn = (syntax: string): string | undefined =>
  corpusFiles().find(
    ({ file, modality = '', transfer_syntax: named = '' }) =>
      named.endsWith(`(${syntax})`) &&
      !/malformed|media/.test(file) &&
      ['CT', 'MR', 'US', 'NM', 'OT', 'RTDOSE'].includes(modality),
  )?.file
