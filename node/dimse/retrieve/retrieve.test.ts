import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import path from 'node:path'
import {
  correctionProof,
  dataSet,
  declare,
  noise,
  send,
  sendSlice,
  temporaryFolder,
} from '../../archive/archive.fixture.ts'
import { readPart10File } from '../../dicom/part10.ts'
import { encodeDataSet } from '../data-set-writer.ts'
import { createWalker } from '../../dicom/walker.ts'
import { digestOfDataSet } from '../../archive/chunk-digests.ts'
import { hasDcmtk } from '../scp.fixture.ts'
import { dimseLimits } from '#protocol/limits.ts'
import { commandField } from '../command-set.ts'
import { openAssociation } from '../scu-association.ts'
import { status } from '../status.ts'
import { utf8Encoder } from '../../dicom/text-encoder.ts'
import { explicitLittle, implicitLittle } from '../units.fixture.ts'
import {
  device,
  keepFile,
  startReceiver,
  startTestNode,
  tool,
  type TestNode,
} from '../query-retrieve.fixture.ts'

const corpus = process.env['CAMI_CORPUS'] ?? '../shared/data'
const skip = !(await hasDcmtk())
  ? 'dcmtk is not installed'
  : !existsSync(corpus) && 'the corpus is not here'

const implicit = 'modalities/CT/dicompyler_ct.0.dcm'
const explicit = 'charsets/clunie-via-pydicom/chrRuss.dcm'
const syntaxes = 'transfer-syntaxes/ct-one-image-all-syntaxes'
const lossless = `${syntaxes}/CTImage_jpeg_lossless_sv1_70.dcm`

let node: TestNode
let folder: AsyncDisposable & { path: string }
let destinationPort = 0
let breakingPort = 0
const kept = new Map<string, Awaited<ReturnType<typeof keepFile>>>()

before(async () => {
  folder = await temporaryFolder()
  destinationPort = await freePort()
  breakingPort = await freePort()
  node = await startTestNode([
    device('GETSCU'),
    device('MOVESCU', { services: ['retrieve'] }),
    device('FINDSCU', { services: ['query'] }),
    device('DEST', { port: destinationPort }),
    device('GONE', { port: await freePort() }),
    device('BREAKING', { port: breakingPort }),
    device('DEAF'),
  ])
  if (skip !== false) return
  for (const name of [implicit, explicit, lossless]) {
    kept.set(name, await keepFile(node.archive, await readFile(path.join(corpus, name))))
  }
  for (const number of [1, 2, 3]) {
    const uids = { study: '1.2.840.1', series: '1.2.840.1.1', sop: `1.2.840.1.1.${number}` }
    await sendSlice(node.archive, { ...uids, number, patientId: 'P77' })
  }
})
after(async () => {
  await node[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

const common = (ae: string) => ['-aet', ae, '-aec', 'CAMI', '127.0.0.1', String(node.port)]
let count = 0

/** Runs getscu; the data sets that it wrote. */
async function get(keys: readonly string[], { ae = 'GETSCU', more = [] as string[] } = {}) {
  const out = path.join(folder.path, `get-${++count}`)
  await mkdir(out)
  const wanted = keys.flatMap((key) => ['-k', key])
  const { text } = await tool('getscu', ['-d', ...more, '-od', out, ...wanted, ...common(ae)])
  return { text, files: await filesIn(out) }
}

async function filesIn(out: string) {
  const names = await readdir(out)
  return Promise.all(
    names.toSorted().map(async (name) => readPart10File(await readFile(path.join(out, name)))),
  )
}

/** Runs movescu to a destination. */
async function move(keys: readonly string[], { to = 'DEST', ae = 'MOVESCU', root = '-S' } = {}) {
  const wanted = keys.flatMap((key) => ['-k', key])
  const { text } = await tool('movescu', ['-d', root, '-aem', to, ...wanted, ...common(ae)])
  return text
}

const studyKeys = (name: string) => [
  'QueryRetrieveLevel=STUDY',
  `StudyInstanceUID=${kept.get(name)?.study}`,
]

const digestOf = (dataSet: Uint8Array): string => digestOfDataSet(dataSet).toString('hex')

test('getscu gets data sets byte for byte in the syntax they are stored in', { skip }, async () => {
  for (const [name, option] of [
    [explicit, '+xe'],
    [lossless, '+xs'],
  ] as const) {
    const { files, text } = await get(studyKeys(name), { more: ['+B', option] })
    assert.equal(files.length, 1, text.slice(-3000))
    assert.equal(files[0]?.transferSyntax, kept.get(name)?.transferSyntax)
    assert.equal(digestOf(files[0]?.dataSet ?? Buffer.alloc(0)), kept.get(name)?.sha256, name)
  }
})

/** An association of ours for C-GET, taking instances in one syntax; dcmtk 3.6.7 cannot be told to take implicit. */
async function getIn(name: string, transferSyntax: string) {
  const { sopClass = '', study = '' } = kept.get(name) ?? {}
  const received: { dataSet: Buffer; transferSyntax: string }[] = []
  const getClass = '1.2.840.10008.5.1.4.1.2.2.3'
  const association = await openAssociation({
    host: '127.0.0.1',
    port: node.port,
    callingAe: 'GETSCU',
    calledAe: 'CAMI',
    pairs: [
      { abstractSyntax: getClass, transferSyntax: implicitLittle },
      { abstractSyntax: sopClass, transferSyntax, roles: { user: false, provider: true } },
    ],
    async onRequest(_command, dataSet, context) {
      received.push({ dataSet: dataSet ?? Buffer.alloc(0), ...context })
      return { status: 0 }
    },
    limits: dimseLimits,
  })
  const identifier = encodeDataSet(
    {
      '00080052': { vr: 'CS', Value: ['STUDY'] },
      '0020000D': { vr: 'UI', Value: [study] },
    },
    { isExplicit: false, encoders: [utf8Encoder] },
  )
  const asked = { field: commandField.getRequest, sopClass: getClass, sopUid: '' }
  const context = association.contextOf(getClass)
  const statuses: number[] = []
  for await (const { command } of association.askMany(context?.id ?? 0, asked, identifier)) {
    statuses.push(command.status)
  }
  await association.release()
  return { received, statuses }
}

test('a caller that takes the implicit syntax gets what is stored in it', { skip }, async () => {
  const { received, statuses } = await getIn(implicit, implicitLittle)
  assert.deepEqual(statuses, [0])
  assert.equal(digestOf(received[0]?.dataSet ?? Buffer.alloc(0)), kept.get(implicit)?.sha256)
})

test('what the receiver does not take is written anew, and can be read', { skip }, async () => {
  for (const [name, syntax] of [
    [implicit, explicitLittle],
    [explicit, implicitLittle],
    [lossless, explicitLittle],
    [lossless, implicitLittle],
  ] as const) {
    const { received } = await getIn(name, syntax)
    assert.equal(received.length, 1)
    const walker = createWalker(syntax)
    walker.write(received[0]?.dataSet ?? Buffer.alloc(0))
    const { attributes, damaged } = walker.end()
    assert.equal(attributes['00080018']?.Value?.[0], kept.get(name)?.sop)
    assert.equal(damaged, undefined)
  }
})

test('what cannot be written as the receiver wants it is counted and named', { skip }, async () => {
  const { received, statuses } = await getIn(explicit, '1.2.840.10008.1.2.4.90')
  assert.equal(received.length, 0)
  assert.deepEqual(statuses, [status.unableToPerform])
})

test('each level of retrieval selects its instances', { skip }, async () => {
  const series = ['StudyInstanceUID=1.2.840.1', 'SeriesInstanceUID=1.2.840.1.1']
  for (const [keys, root, expected] of [
    [['QueryRetrieveLevel=PATIENT', 'PatientID=P77'], '-P', 3],
    [['QueryRetrieveLevel=STUDY', 'StudyInstanceUID=1.2.840.1'], '-S', 3],
    [['QueryRetrieveLevel=SERIES', ...series], '-S', 3],
    [['QueryRetrieveLevel=IMAGE', ...series, 'SOPInstanceUID=1.2.840.1.1.2'], '-S', 1],
    [
      ['QueryRetrieveLevel=IMAGE', ...series, 'SOPInstanceUID=1.2.840.1.1.2\\1.2.840.1.1.3'],
      '-S',
      2,
    ],
    [['QueryRetrieveLevel=STUDY', 'StudyInstanceUID=1.2.3.4.5'], '-S', 0],
  ] as const) {
    const { files, text } = await get(keys, { more: [root] })
    assert.equal(files.length, expected, `${keys.join(' ')}\n${text.slice(-2500)}`)
    assert.match(text, /DIMSE Status\s*:\s*0x0000/)
  }
})

test(
  'a patient above the level must be that of the study, under any number',
  { skip },
  async () => {
    const [study, series, sop] = ['1.2.840.2', '1.2.840.2.1', '1.2.840.2.1.1']
    await sendSlice(node.archive, { study, series, sop, patientId: 'P78' })
    await node.archive.overlay(correctionProof('patients'), {
      kind: 'merge',
      target: { level: 'patient', id: 'P78', issuer: '' },
      survivor: { id: 'P79', issuer: '', name: '', birthDate: '', sex: '' },
    })
    const levels = [
      ['QueryRetrieveLevel=STUDY', `StudyInstanceUID=${study}`],
      ['QueryRetrieveLevel=SERIES', `StudyInstanceUID=${study}`, `SeriesInstanceUID=${series}`],
      ['QueryRetrieveLevel=IMAGE', `SOPInstanceUID=${sop}`],
    ]
    const statusAndCount = async (keys: readonly string[], root = '-P') => {
      const { files, text } = await get(keys, { more: [root] })
      return [/DIMSE Status\s*:\s*(0x\w{4})(?![^]*DIMSE Status)/.exec(text)?.[1], files.length]
    }
    for (const keys of levels) {
      for (const [patient, expected] of [
        ['PatientID=P78', ['0x0000', 1]],
        ['PatientID=P79', ['0x0000', 1]],
        ['PatientID', ['0x0000', 1]],
        ['PatientID=P77', ['0x0000', 0]],
      ] as const) {
        assert.deepEqual(
          await statusAndCount([...keys, patient]),
          expected,
          `${keys.join(' ')} ${patient}`,
        )
      }
    }
    const [ofStudy = []] = levels
    assert.deepEqual(await statusAndCount([...ofStudy, 'PatientID=P7*']), ['0xa900', 0])
    // Of the Study Root it is no unique key.
    assert.deepEqual(await statusAndCount([...ofStudy, 'PatientID=P77'], '-S'), ['0x0000', 1])
  },
)

test(
  'movescu sends to a registered destination, byte for byte, with counts',
  { skip },
  async () => {
    const out = path.join(folder.path, 'move')
    await mkdir(out)
    await using _ = await startReceiver(destinationPort, out, ['+xa'])
    for (const name of [implicit, explicit, lossless]) {
      const text = await move(studyKeys(name))
      assert.match(text, /DIMSE Status\s*:\s*0x0000/, text.slice(-2500))
    }
    const received = await filesIn(out)
    assert.deepEqual(
      received.map(({ dataSet }) => digestOf(dataSet)).toSorted(),
      [...kept.values()].map((one) => one.sha256).toSorted(),
    )
    const text = await move(['QueryRetrieveLevel=STUDY', 'StudyInstanceUID=1.2.840.1'])
    assert.match(text, /0xff00/)
    assert.match(text, /Remaining Suboperations\s*:\s*2/)
    assert.match(text, /Completed Suboperations\s*:\s*3/)
    const events = node.audited.filter(({ detail }) => detail === 'C-MOVE to DEST')
    assert.deepEqual(
      [...new Set(events.map(({ event }) => event))],
      ['begin-transferring', 'instances-transferred'],
    )
    assert.equal(events.at(-1)?.instances, 3)
  },
)

for (const [what, args] of [
  ['takes two associations', ['--fork']],
  ['works on one association at a time', []],
] as const) {
  test(`a destination that ${what} gets each of many instances once`, { skip }, async () => {
    const count = 40
    const sops = Array.from({ length: count }, (_, index) => `1.2.840.77.1.${index + 1}`)
    for (const sop of sops) {
      const bytes = dataSet({
        study: '1.2.840.77',
        series: '1.2.840.77.1',
        sop,
        pixels: noise(40_000, 1),
      })
      await send(node.archive, bytes, declare(sop))
    }
    const out = path.join(folder.path, `many${args.length}`)
    await mkdir(out)
    await using _ = await startReceiver(destinationPort, out, args)
    const text = await move(['QueryRetrieveLevel=STUDY', 'StudyInstanceUID=1.2.840.77'])
    assert.match(text, /DIMSE Status\s*:\s*0x0000/, text.slice(-2500))
    assert.match(text, /Completed Suboperations\s*:\s*40/)
    assert.equal((await filesIn(out)).length, count)
  })
}

test(
  'a destination that nobody registered, or that is not there, is said so',
  { skip },
  async () => {
    const keys = ['QueryRetrieveLevel=STUDY', 'StudyInstanceUID=1.2.840.1']
    assert.match(await move(keys, { to: 'NOWHERE' }), /0xa801/)
    assert.match(await move(keys, { to: 'DEAF' }), /0xa801/)
    const gone = await move(keys, { to: 'GONE' })
    assert.match(gone, /0xa702/)
    assert.match(gone, /\(0000,0902\) LO \[move destination cannot be reached/)
    assert.match(gone, /Failed Suboperations\s*:\s*3/)
  },
)

/** In front of a destination: takes one connection, and breaks it off after its second answer. */
async function startBreaking(port: number, destination: number): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    server.close()
    const onward = connect(destination, '127.0.0.1')
    let answers = 0
    for (const one of [socket, onward]) sockets.add(one.on('error', () => undefined))
    socket.pipe(onward)
    onward.on('data', (bytes: Buffer) => {
      socket.write(bytes)
      if (++answers === 2) for (const one of sockets) one.end(() => one.destroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    async [Symbol.asyncDispose]() {
      for (const one of sockets) one.destroy()
      server.close()
    },
  }
}

test('a destination that is lost on the way is not said to be out of reach', { skip }, async () => {
  await using folder = await temporaryFolder()
  await using _ = await startReceiver(destinationPort, folder.path)
  await using __ = await startBreaking(breakingPort, destinationPort)
  const keys = ['QueryRetrieveLevel=STUDY', 'StudyInstanceUID=1.2.840.1']
  const text = await move(keys, { to: 'BREAKING' })
  assert.match(text, /Completed Suboperations\s*:\s*1/, text.slice(-1500))
  assert.match(text, /\(0000,0902\) LO \[association with move destination was lost/)
})

test(
  'what is no request is refused, and so is a device that may not retrieve',
  { skip },
  async () => {
    for (const [comment, tag, ...keys] of [
      ['missing: StudyInstanceUID', '0020,000d', 'StudyInstanceUID'],
      ['not a UID: StudyInstanceUID', '0020,000d', 'StudyInstanceUID=1.2.*'],
    ] as const) {
      const { text } = await get(['QueryRetrieveLevel=STUDY', ...keys])
      assert.match(text, /0xa900/)
      assert.match(text, new RegExp(`\\(0000,0901\\) AT \\(${tag}\\)`), text.slice(-1500))
      assert.match(text, new RegExp(`\\(0000,0902\\) LO \\[${comment} ?\\]`))
    }
    for (const ae of ['FINDSCU', 'STRANGER']) {
      const { text } = await get(['QueryRetrieveLevel=STUDY', 'StudyInstanceUID=1.2.840.1'], { ae })
      assert.doesNotMatch(text, /Received C-GET Response/)
    }
  },
)
