import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { dataSet, temporaryFolder } from '../archive/archive.fixture.ts'
import type { Device } from '../config.ts'
import { createPart10Header } from '../dicom/part10.ts'
import { connectAs } from './commitment.fixture.ts'
import { createMemoryIngest, dcmtk, hasDcmtk, startScp } from './scp.fixture.ts'
import { fingerprintOf, readTlsIdentity, type TlsIdentity } from './tls.ts'
import { ctClass, explicitLittle, until, verificationClass } from './units.fixture.ts'

const run = promisify(execFile)
const skip = (await hasDcmtk()) ? false : 'dcmtk is not installed'

let dir: string
let identity: TlsIdentity
let fingerprint: string
const stack = new AsyncDisposableStack()
const at = (name: string) => path.join(dir, name)

/** A self-signed certificate for loopback, made by openssl. */
async function makeCertificate(name: string): Promise<void> {
  const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)]
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    ...files,
    ...subject,
  ])
}

before(async () => {
  dir = stack.use(await temporaryFolder()).path
  await Promise.all(['node', 'ct', 'other'].map(makeCertificate))
  identity = await readTlsIdentity({
    port: 0,
    certificateFile: at('node.crt'),
    keyFile: at('node.key'),
  })
  fingerprint = fingerprintOf(new X509Certificate(await readFile(at('ct.crt'))))
  const bytes = dataSet({ study: '1.2.3', series: '1.2.3.1', sop: '1.2.3.4' })
  const meta = { sopClass: ctClass, sopUid: '1.2.3.4', transferSyntax: explicitLittle }
  await writeFile(at('ct.dcm'), Buffer.concat([createPart10Header(meta), bytes]))
})
after(() => stack.disposeAsync())

const start = async (change: Partial<Device> = {}, more: object = {}) => {
  const ingest = createMemoryIngest()
  const device: Device = {
    id: 'ct-1',
    aeTitle: 'STORESCU',
    addresses: ['127.0.0.1'],
    modality: 'CT',
    startDate: '2020-01-01',
    ...change,
  }
  const secure = { port: 0, identity }
  const scp = await startScp({ ...ingest, devices: [device], secure, ...more })
  const tlsPort = String(scp.securePort)
  const store = async (tls: readonly string[], port = tlsPort) =>
    dcmtk('storescu', ['-aec', 'CAMI', ...tls, '127.0.0.1', port, at('ct.dcm')])
  return { ...ingest, scp, store, tlsPort, [Symbol.asyncDispose]: () => scp[Symbol.asyncDispose]() }
}
const showing = (name: string) => [
  '+tls',
  at(`${name}.key`),
  at(`${name}.crt`),
  '+cf',
  at('node.crt'),
]
const anonymous = () => ['+tla', '+cf', at('node.crt')]

test('storescu stores over TLS with a certificate and without', { skip }, async () => {
  await using node = await start()
  for (const tls of [showing('ct'), anonymous()]) {
    const { code, output } = await node.store(tls)
    assert.equal(code, 0, output)
  }
  assert.equal(node.kept.length, 2)
})

test('a device that has a certificate in the register is known by it alone', { skip }, async () => {
  await using node = await start({ certificate: fingerprint })
  assert.equal((await node.store(showing('ct'))).code, 0)
  for (const tls of [showing('other'), anonymous()])
    assert.notEqual((await node.store(tls)).code, 0)
  assert.notEqual((await node.store([], String(node.scp.port))).code, 0)
  assert.equal(node.kept.length, 1)
  const [alert] = node.scp.audited
  assert.deepEqual([alert?.event, alert?.outcome], ['security-alert', 'denied'])
})

test('with an authority a certificate that it did not sign is refused', { skip }, async () => {
  const secure = { port: 0, identity: { ...identity, ca: await readFile(at('ct.crt'), 'utf8') } }
  await using node = await start({}, { secure })
  assert.equal((await node.store(showing('ct'))).code, 0)
  assert.notEqual((await node.store(showing('other'))).code, 0)
})

test('TLS 1.3 and 1.2 with forward secrecy are spoken, older and weaker is not', async () => {
  await using node = await start()
  const dial = async (...args: string[]) => {
    const child = run('openssl', ['s_client', '-connect', `127.0.0.1:${node.tlsPort}`, ...args])
    child.child.stdin?.end()
    const { stdout, stderr } = await child.catch(
      (error: { stdout: string; stderr: string }) => error,
    )
    return /Cipher is (\S+)/.exec(stdout + stderr)?.[1]
  }
  assert.equal(await dial('-tls1_3'), 'TLS_AES_256_GCM_SHA384')
  assert.equal(await dial('-tls1_2'), 'ECDHE-RSA-AES256-GCM-SHA384')
  assert.match((await dial('-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')) ?? '', /NONE|^$/)
  for (const cipher of ['AES256-SHA', 'ECDHE-RSA-AES128-SHA']) {
    assert.match((await dial('-tls1_2', '-cipher', `${cipher}:@SECLEVEL=0`)) ?? '', /NONE|^$/)
  }
})

test('who does not shake hands is gone after the deadline, and counts until then', async () => {
  const limits = { associationTimeoutMs: 300, pendingPerAddress: 2 }
  await using node = await start({}, { limits })
  const silent = connect(Number(node.tlsPort), '127.0.0.1')
  silent.on('error', () => undefined)
  const began = Date.now()
  await new Promise((resolve) => silent.once('close', resolve))
  assert.ok(Date.now() - began < 3000)
  const crowd = Array.from({ length: 5 }, () => connect(Number(node.tlsPort), '127.0.0.1'))
  for (const socket of crowd) socket.on('error', () => undefined)
  await until(() => crowd.filter(({ destroyed, closed }) => destroyed || closed).length >= 3)
  for (const socket of crowd) socket.destroy()
})

test('our own associations check whom they talk to', async () => {
  await using node = await start()
  const port = Number(node.tlsPort)
  const target = { host: '127.0.0.1', port, calledAe: 'CAMI', tls: true }
  const pairs = [{ abstractSyntax: verificationClass, transferSyntax: explicitLittle }]
  const connectTo = connectAs('STORESCU')
  const pin = fingerprintOf(new X509Certificate(identity.cert))
  const association = await connectTo({ ...target, certificate: pin }, pairs)
  assert.equal(association.isOpen, true)
  await association.release()
  await assert.rejects(connectTo({ ...target, certificate: fingerprint }, pairs), {
    code: 'unavailable',
  })
  await assert.rejects(connectTo(target, pairs), { code: 'unavailable' })
})

test('a start that fails leaves no port open, on which a caller would be heard by nobody', async () => {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  await using taken = await start()
  const unfit = { port: 0, identity: { ...identity, key: await readFile(at('ct.key'), 'utf8') } }
  for (const secure of [unfit, { port: Number(taken.tlsPort), identity }]) {
    await assert.rejects(startScp({ ...createMemoryIngest(), port, secure }))
    const socket = connect(port, '127.0.0.1')
    const [error] = (await once(socket, 'error').catch((error: unknown) => [error])) as [Error]
    assert.match(error.message, /ECONNREFUSED/)
  }
})
