import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { ProtocolError } from '#protocol/errors.ts'
import { dataSet } from '../archive/archive.fixture.ts'
import { createPart10Header } from '../dicom/part10.ts'
import { identityAnswer, readUserIdentity, type Identify } from './identity.ts'
import { createMemoryIngest, dcmtk, hasDcmtk, startScp } from './scp.fixture.ts'
import { ctClass, explicitLittle } from './units.fixture.ts'
import { withUserItems } from './user-items.ts'

const skip = (await hasDcmtk()) ? false : 'dcmtk is not installed'

const item = (type: number, wants: number, primary: Buffer, secondary: Buffer): Buffer => {
  const bytes = Buffer.alloc(6)
  bytes.writeUInt8(type, 0)
  bytes.writeUInt8(wants, 1)
  bytes.writeUInt16BE(primary.length, 2)
  bytes.writeUInt16BE(secondary.length, 4)
  return Buffer.concat([bytes.subarray(0, 4), primary, bytes.subarray(4), secondary])
}

test('names and passcodes are UTF-8, tickets stay bytes nobody reads', () => {
  const [name, passcode] = [Buffer.from('иванова'), Buffer.from('пароль ')]
  const found = readUserIdentity(item(2, 1, name, passcode))
  assert.deepEqual(found, {
    kind: 'passcode',
    wantsResponse: true,
    name: 'иванова',
    passcode: 'пароль ',
  })
  const ticket = readUserIdentity(item(3, 0, Buffer.from([0, 255, 1]), Buffer.alloc(0)))
  assert.deepEqual([ticket.kind, ticket.name, ticket.passcode], ['kerberos', '', ''])
})

test('whatever is written is read back, and no bytes break the reader', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (name, passcode) => {
      const bytes = item(2, 0, Buffer.from(name), Buffer.from(passcode))
      const found = readUserIdentity(bytes)
      assert.equal(found.name, Buffer.from(name).toString())
      assert.equal(found.passcode, Buffer.from(passcode).toString())
      for (let end = 0; end < bytes.length; end++) {
        assert.throws(() => readUserIdentity(bytes.subarray(0, end)), ProtocolError)
      }
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        readUserIdentity(Buffer.from(bytes))
      } catch (error) {
        assert.ok(error instanceof ProtocolError)
      }
    }),
  )
})

test('an answer that does not end with user information is not touched', () => {
  assert.throws(() => withUserItems(Buffer.alloc(90, 7), [identityAnswer()]))
})

test('storescu signs in, and is told so when it asks', { skip }, async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-identity-'))
  await writeFile(path.join(dir, 'ticket'), Buffer.from([1, 0, 255, 7]))
  const claims: Parameters<Identify>[0][] = []
  const identify: Identify = async (claim) => {
    claims.push(claim)
    return claim.kind !== 'passcode' || claim.passcode === 'mn4x-7kqa'
  }
  await using scp = await startScp({ ...createMemoryIngest(), identify })
  await using plain = await startScp(createMemoryIngest())
  const echo = async (args: string[], port = scp.port) =>
    dcmtk('storescu', [
      '-v',
      '-aec',
      'CAMI',
      ...args,
      '127.0.0.1',
      `${port}`,
      path.join(dir, 'ct.dcm'),
    ])
  try {
    await writeFile(path.join(dir, 'ct.dcm'), sample())
    const answered = async (args: string[], port?: number) => (await echo(args, port)).output
    assert.match(await answered(['-usr', 'ivanova']), /Association Accepted/)
    assert.match(await answered(['-usr', 'ivanova', '-rsp']), /Association Accepted/)
    assert.match(
      await answered(['-usr', 'иванова', '-pwd', 'mn4x-7kqa', '-rsp']),
      /Association Accepted/,
    )
    assert.match(await answered(['-usr', 'ivanova', '-pwd', 'wrong']), /Association Rejected/i)
    assert.match(await answered(['-kt', path.join(dir, 'ticket')]), /Association Accepted/)
    assert.deepEqual(
      claims.map(({ kind, name, wantsResponse, callingAe }) => [
        kind,
        name,
        wantsResponse,
        callingAe,
      ]),
      [
        ['username', 'ivanova', false, 'STORESCU'],
        ['username', 'ivanova', true, 'STORESCU'],
        ['passcode', 'иванова', true, 'STORESCU'],
        ['passcode', 'ivanova', false, 'STORESCU'],
        ['kerberos', '', false, 'STORESCU'],
      ],
    )
    // Nobody judges here, so nothing is confirmed; dcmtk gives up without the answer it wants.
    assert.match(await answered(['-usr', 'x', '-rsp'], plain.port), /positive|User Identity/i)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})

function sample(): Buffer {
  const bytes = dataSet({ study: '1.2.3', series: '1.2.3.1', sop: '1.2.3.4' })
  const meta = { sopClass: ctClass, sopUid: '1.2.3.4', transferSyntax: explicitLittle }
  return Buffer.concat([createPart10Header(meta), bytes])
}
