import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { missingProgram } from '../bench/peer-process.ts'
import { callAll, runTool, words, type Row, type ToolCall } from './call.ts'
import type { Stage } from './stage.ts'
import { corpusPaths, slices, subjectOf } from './subjects.ts'

/** gdcm, odil and the Central Test Node. */
export async function callOthers(stage: Stage): Promise<Row[]> {
  const rows: Row[] = []
  // `gdcmscu` of some builds fails with every peer.
  const broken = await breaksWith(stage)
  for (const [peer, tool, calls] of [
    ['gdcm', 'gdcmscu', gdcmCalls],
    ['odil', 'odil', odilCalls],
    ['CTN', 'dicom_echo', ctnCalls],
  ] as const) {
    const why = missingProgram(tool) ?? (peer === 'gdcm' ? broken : undefined)
    if (why === undefined) rows.push(...(await callAll(await calls(stage))))
    else rows.push({ peer, service: 'all', command: tool, said: why, verdict: 'missing' })
  }
  return rows
}

/** Why `gdcmscu` cannot be had as a peer: it does not even verify dcmtk's `storescp`. */
async function breaksWith({ receiver }: Stage): Promise<string | undefined> {
  const args = ['--echo', '-H', '127.0.0.1', '-p', String(receiver.port)]
  const { code, output } = await runTool('gdcmscu', [...args, '--call', receiver.aeTitle])
  if (code === 0) return undefined
  return `ends with an error against storescp too: ${output.trim().split('\n').at(-1) ?? ''}`
}

async function gdcmCalls({ node, ports, scratch }: Stage): Promise<ToolCall[]> {
  const { host, port, aeTitle } = node.dimse
  const subject = subjectOf(slices()[0] ?? '')
  const folder = path.join(scratch, 'gdcm')
  await mkdir(folder, { recursive: true })
  const at = ['-H', host, '-p', String(port), '--aetitle', 'GDCMSCU', '--call', aeTitle]
  const call = (service: string, args: readonly string[], expects: RegExp): ToolCall => {
    return { peer: 'gdcm', service, tool: 'gdcmscu', args: [...args, ...at], expects }
  }
  const study = ['--key', `20,d=${subject.study}`]
  const find = (root: string, level: string, keys: readonly string[]) =>
    call(
      `C-FIND ${root} ${level}`,
      ['--find', `--${root}`, `--${level}`, ...keys, '-V'],
      /\(0020,000[de]\) UI \S+|\(0008,0018\) UI \S+|\(0010,0020\) LO \S+/,
    )
  return [
    call('C-ECHO', ['--echo', '-V'], /Echo succeeded|success/i),
    call(
      'C-STORE',
      ['--store', '-V', '-i', corpusPaths('modalities/CT/')[0] ?? ''],
      /Store was successful|success/i,
    ),
    find('patientroot', 'patient', ['--key', '10,20=']),
    find('studyroot', 'study', [...study, '--key', '10,10=']),
    find('studyroot', 'series', [...study, '--key', '20,e=']),
    call(
      'C-MOVE STUDY',
      [...words(`--move --studyroot --study -V --port-scp ${ports.gdcm} -o`), folder, ...study],
      /Move (was )?success\w*|success/i,
    ),
  ]
}

async function odilCalls({ node }: Stage): Promise<ToolCall[]> {
  const { host, port, aeTitle } = node.dimse
  const subject = subjectOf(slices()[0] ?? '')
  const call = (
    service: string,
    args: readonly string[],
    expects: RegExp,
    more: Partial<ToolCall> = {},
  ): ToolCall => ({ peer: 'odil', service, tool: 'odil', args, expects, ...more })
  const at = [host, String(port), 'ANY-SCU', aeTitle]
  const study = `StudyInstanceUID=${subject.study}`
  const silent = /^/
  return [
    call('C-ECHO', ['echo', ...at], silent),
    call('C-STORE', ['store', ...at, corpusPaths('modalities/PT/')[0] ?? ''], silent),
    call(
      'C-FIND Patient Root STUDY',
      [
        'find',
        ...at,
        'patient',
        'QueryRetrieveLevel=STUDY',
        `PatientID=${subject.patientId}`,
        study,
      ],
      /Study Instance UID\s+0020,000d/i,
    ),
    call(
      'C-FIND Study Root SERIES',
      ['find', ...at, 'study', 'QueryRetrieveLevel=SERIES', study, 'SeriesInstanceUID='],
      /Series Instance UID\s+0020,000e/i,
    ),
  ]
}

async function ctnCalls({ node }: Stage): Promise<ToolCall[]> {
  const { host, port, aeTitle } = node.dimse
  const titles = ['-a', 'ANY-SCU', '-c', aeTitle]
  const at = [host, String(port)]
  const [image = ''] = corpusPaths('modalities/CT/janct000_02')
  return [
    {
      peer: 'CTN',
      service: 'C-ECHO',
      tool: 'dicom_echo',
      args: [...titles, ...at],
      expects: /Echo Response|Verification Response|^/,
    },
    {
      peer: 'CTN',
      service: 'C-STORE',
      tool: 'send_image',
      args: [...titles, '-r', ...at, image],
      expects: /Image Transferred|successful|Status Information/i,
    },
    {
      peer: 'CTN',
      service: 'C-FIND worklist',
      tool: 'mwlQuery',
      args: [...titles, '-v', ...at],
      expects: /Status:\s+ff0[01]/,
      anyCode: true,
    },
  ]
}

/** Clients in a browser bring their own nodes: a test of dicomweb-client, and OHIF as it is fetched from npm. */
export const browserCalls: readonly ToolCall[] = [
  {
    peer: 'dicomweb-client',
    service: 'QIDO-RS, WADO-RS, STOW-RS',
    tool: process.execPath,
    args: ['--test', 'simulations/scenarios/dicomweb-client.test.ts'],
    expects: /pass \d+/,
    timeout: 180_000,
  },
  {
    peer: 'OHIF',
    service: 'QIDO-RS, WADO-RS',
    tool: process.execPath,
    args: ['simulations/interop/ohif.ts'],
    expects: /\d+ % of the viewport is image/,
    timeout: 300_000,
  },
]
