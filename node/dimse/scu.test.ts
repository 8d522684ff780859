import { test } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import { readPart10File } from '../dicom/part10.ts'
import { createMemoryIngest, sha256, startScp } from './scp.fixture.ts'
import { createStoreScu, type StoreItem, type StoreResult } from './scu.ts'
import { ctClass, explicitLittle } from './units.fixture.ts'

const corpus = process.env['CAMI_CORPUS'] ?? '../shared/data'
const skip = !existsSync(corpus) && 'the corpus is not here'

const scuTo = (port: number, change: object = {}) =>
  createStoreScu({ host: '127.0.0.1', port, callingAe: 'STORESCU', calledAe: 'CAMI', ...change })

const item = (sopUid: string, change: Partial<StoreItem> = {}): StoreItem => ({
  sopClass: ctClass,
  sopUid,
  transferSyntax: explicitLittle,
  dataSet: Buffer.from(`data set of ${sopUid}`),
  ...change,
})

async function results(scu: ReturnType<typeof createStoreScu>, items: Iterable<StoreItem>) {
  const answers: StoreResult[] = []
  for await (const answer of scu.store(items)) answers.push(answer)
  return answers
}

test('every file of the corpus that may be sent arrives byte for byte', { skip }, async () => {
  const ingest = createMemoryIngest()
  await using scp = await startScp(ingest)
  await using scu = scuTo(scp.port)
  const items: StoreItem[] = []
  for await (const name of glob('{modalities,transfer-syntaxes,charsets}/**/*.dcm', {
    cwd: corpus,
  })) {
    const bytes = await readFile(path.join(corpus, name))
    if (bytes.length < 4_000_000) items.push(readPart10File(bytes))
  }
  assert.ok(items.length > 50)
  const digests = new Map<string, number>()
  const count = (digest: string, by: number) => digests.set(digest, (digests.get(digest) ?? 0) + by)
  const answers = await results(scu, items)
  for (const [index, { status, sopUid }] of answers.entries()) {
    assert.equal(sopUid, items[index]?.sopUid)
    const isDeflated = items[index]?.transferSyntax === '1.2.840.10008.1.2.1.99'
    assert.equal(status, isDeflated ? 0x0122 : 0)
    if (!isDeflated) count(sha256(items[index]?.dataSet ?? Buffer.alloc(0)), 1)
  }
  for (const { dataSet } of ingest.kept) count(sha256(dataSet), -1)
  assert.deepEqual(new Set(digests.values()), new Set([0]))
})

test('data sets of every length around the unit size arrive whole', async () => {
  const ingest = createMemoryIngest()
  await using scp = await startScp(ingest)
  await using scu = scuTo(scp.port)
  const lengths = [0, 1, 2, 131_059, 131_060, 131_061, 131_065, 131_066, 131_067, 262_132, 300_001]
  const items = lengths.map((length, index) =>
    item(`1.${index}`, { dataSet: Buffer.alloc(length, index + 1) }),
  )
  for (const { status } of await results(scu, items)) assert.equal(status, 0)
  assert.deepEqual(
    ingest.kept.map(({ dataSet }) => sha256(dataSet)),
    items.map(({ dataSet }) => sha256(dataSet)),
  )
})

test('a list is sent on one association, a stream on as many as it needs', async () => {
  const ingest = createMemoryIngest()
  await using scp = await startScp(ingest)
  const syntaxes = ['1.2.840.10008.1.2', explicitLittle, '1.2.840.10008.1.2.4.80']
  const items = syntaxes.map((transferSyntax, index) => item(`1.${index}`, { transferSyntax }))
  const associations = () =>
    new Set(ingest.kept.map(({ origin }) => origin.kind === 'dimse' && origin.association)).size
  await using scu = scuTo(scp.port)
  await results(scu, items)
  assert.equal(associations(), 1)
  await using other = scuTo(scp.port)
  await results(other, [...items, ...items].values())
  assert.equal(associations(), 1 + syntaxes.length)
  assert.deepEqual(
    ingest.kept.map(({ declared }) => declared.transferSyntax),
    [...syntaxes, ...syntaxes, ...syntaxes],
  )
})

test('more pairs than an association has contexts are sent all the same', async () => {
  const ingest = createMemoryIngest()
  await using scp = await startScp(ingest)
  await using scu = scuTo(scp.port)
  const items = Array.from({ length: 300 }, (_, index) =>
    item(`1.${index}`, { sopClass: `1.2.3.${index}` }),
  )
  for (const { status } of await results(scu, items)) assert.equal(status, 0)
  assert.deepEqual(
    ingest.kept.map(({ declared }) => declared.sopClass),
    items.map(({ sopClass }) => sopClass),
  )
})

test('an instance that the peer refuses does not stop the others', async () => {
  const ingest = createMemoryIngest({
    finish: async ({ declared }) => {
      if (declared.sopUid === '1.1') throw new ProtocolError('instance_truncated', 'x')
      return {}
    },
  })
  await using scp = await startScp(ingest)
  await using scu = scuTo(scp.port)
  const items = [
    item('1.0'),
    item('1.1'),
    item('1.2', { sopClass: '1.2.840.10008.5.1.4.31' }),
    item('1.3'),
  ]
  const answers = await results(scu, items)
  assert.deepEqual(
    answers.map(({ status }) => status),
    [0, 0xc000, 0x0122, 0],
  )
  assert.equal(answers[1]?.comment, 'data set is truncated')
})

const isError = (code: string) => (error: unknown) =>
  error instanceof ProtocolError && error.code === code

test('no peer, a peer that rejects, and one that is no DICOM are unavailable', async () => {
  await using scp = await startScp(createMemoryIngest())
  const closed = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => closed.once('listening', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  await using nobody = scuTo(port)
  await assert.rejects(results(nobody, [item('1')]), isError('unavailable'))
  await using stranger = scuTo(scp.port, { calledAe: 'OTHER' })
  await assert.rejects(results(stranger, [item('1')]), isError('unavailable'))
})

for (const [what, answer] of [
  ['that hangs up', Buffer.alloc(0)],
  ['that speaks HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['that claims 4 GiB', Buffer.from([2, 0, 0xff, 0xff, 0xff, 0xff])],
  ['that accepts nonsense', Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 80]), Buffer.alloc(80, 7)])],
] as const) {
  test(`a peer ${what} is a lost association, nothing worse`, async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(answer))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    try {
      await using scu = scuTo((server.address() as AddressInfo).port)
      await assert.rejects(results(scu, [item('1')]), isError('aborted'))
    } finally {
      server.close()
    }
  })
}

test('a sender goes on after its association was lost', async () => {
  const ingest = createMemoryIngest()
  const limits = { idleTimeoutMs: 50, sweepIntervalMs: 10, closeTimeoutMs: 20 }
  await using scp = await startScp({ ...ingest, limits })
  await using scu = scuTo(scp.port)
  assert.equal((await results(scu, [item('1')]))[0]?.status, 0)
  // The provider ends the idle association.
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.equal((await results(scu, [item('2')]))[0]?.status, 0)
})

test('a large data set does not pile up in the sender when the peer reads slowly', async () => {
  const ingest = createMemoryIngest({
    onWrite: () => false,
    drain: async () => new Promise((resolve) => setTimeout(resolve, 1)),
  })
  await using scp = await startScp(ingest)
  await using scu = scuTo(scp.port)
  const dataSet = Buffer.alloc(30_000_000, 7)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  }, 5)
  const [answer] = await results(scu, [item('1', { dataSet })])
  clearInterval(timer)
  assert.equal(answer?.status, 0)
  assert.equal(sha256(ingest.kept[0]?.dataSet ?? Buffer.alloc(0)), sha256(dataSet))
  // The fixture keeps the pieces and their concatenation: two data sets, and little more.
  assert.ok(most < 2 * dataSet.length + 10_000_000, `${most} bytes`)
})
