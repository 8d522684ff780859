import { test } from 'node:test'
import assert from 'node:assert/strict'
import { device, startTestNode } from './query-retrieve.fixture.ts'
import { connectRaw } from './scp.fixture.ts'
import { ctClass, implicitLittle, requestPdu, until } from './units.fixture.ts'
import { itemBytes, withUserItems } from './user-items.ts'

test('who asks for relational queries and retrieval is told that they are had, and nothing else', async () => {
  await using node = await startTestNode([
    device('FINDSCU'),
    device('STORESCU', { services: ['store'] }),
  ])
  const [study, patient, move, get] = [
    '1.2.840.10008.5.1.4.1.2.2.1',
    '1.2.840.10008.5.1.4.1.2.1.1',
    '1.2.840.10008.5.1.4.1.2.2.2',
    '1.2.840.10008.5.1.4.1.2.2.3',
  ] as const
  const contexts = [study, patient, move, get].map((abstractSyntax, index) => ({
    id: 2 * index + 1,
    abstractSyntax,
    transferSyntaxes: [index === 1 ? '1.2.3' : implicitLittle],
  }))
  const extended = (uid: string, ...asked: number[]) =>
    itemBytes(0x56, Buffer.from([0, uid.length, ...Buffer.from(uid), ...asked]))
  const answerTo = async (callingAe: string, items: Buffer[]) => {
    const raw = await connectRaw(node.port)
    raw.socket.write(withUserItems(requestPdu({ callingAe, contexts }), items))
    await until(() => raw.received().length > 6)
    raw.socket.destroy()
    return raw.received()
  }
  const asked = [
    extended(study, 1, 1, 1, 1),
    extended(patient, 1),
    extended(move, 1, 1),
    extended(get, 0),
    extended(ctClass, 1),
  ]
  const answer = await answerTo('FINDSCU', asked)
  const answered = Buffer.concat([
    extended(study, 1, 0, 0, 0),
    extended(move, 1, 0),
    extended(get, 0),
  ])
  assert.equal(answer.readUInt8(0), 2)
  assert.equal(answer.readUInt32BE(2), answer.length - 6)
  assert.deepEqual(answer.subarray(-answered.length), answered)
  assert.equal((await answerTo('FINDSCU', [])).length, answer.length - answered.length)
  const [refused, unasked] = [await answerTo('STORESCU', asked), await answerTo('STORESCU', [])]
  assert.deepEqual(refused, unasked)
  // What cannot be read is not answered: the association can do without.
  for (const value of [[], [0], [0, 9, 1], [0, 0], [255, 255, ...Buffer.from(study)]]) {
    const unread = itemBytes(0x56, Buffer.from(value))
    assert.deepEqual(await answerTo('FINDSCU', [unread, ...asked]), answer)
  }
})
