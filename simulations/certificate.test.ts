import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtempDisposable, readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { dimseCertificateFile, ensureCertificate, selfSigned } from './certificate.ts'

const now = Date.now()

test('a certificate that signed itself is good for loopback, for a year', async () => {
  const { key, certificate } = selfSigned('okb', now)
  const read = new X509Certificate(certificate)
  assert.equal(read.subject, 'CN=okb')
  assert.ok(read.verify(read.publicKey))
  assert.equal(read.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(read.checkIP('127.0.0.2'), undefined)
  assert.ok(
    read.validFromDate.getTime() < now && read.validToDate.getTime() > now + 300 * 86_400_000,
  )
  const server = createServer({ key, cert: certificate }, (socket) => socket.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, ca: certificate })
  const [first] = (await once(socket, 'data')) as [Buffer]
  assert.equal(first.toString(), 'hello')
  assert.ok(socket.authorized)
  socket.destroy()
  server.close()
})

test('what is there is kept', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'cami-'))
  await mkdir(path.join(folder.path, 'okb'))
  const make = () => ensureCertificate({ dataDir: folder.path, key: 'okb', now })
  const read = () => readFile(dimseCertificateFile(folder.path, 'okb'), 'utf8')
  await make()
  const first = await read()
  await make()
  assert.equal(await read(), first)
})
