import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StudyUid } from '#protocol/ids.ts'
import { dimseLimits } from '#protocol/limits.ts'
import {
  correctionProof,
  dataSet,
  declare,
  searchProof,
  sendSlice,
} from '../../archive/archive.fixture.ts'
import { createRemoteArchives } from '../remote-archive.ts'
import { readIdentifier } from '../identifier.ts'
import { commandField } from '../command-set.ts'
import { encodeDataSet } from '../data-set-writer.ts'
import { device, startTestNode } from '../query-retrieve.fixture.ts'
import { openAssociation } from '../scu-association.ts'
import { utf8Encoder } from '../../dicom/text-encoder.ts'
import { explicitLittle, implicitLittle } from '../units.fixture.ts'

const slice = { study: '1.2.7', series: '1.2.7.1', sop: '1.2.7.1.1', pixels: new Uint8Array(0) }
const getClass = '1.2.840.10008.5.1.4.1.2.2.3'

/** What comes back to a caller of C-GET that takes one transfer syntax. */
async function get(port: number, callingAe: string, transferSyntax: string): Promise<Buffer[]> {
  const received: Buffer[] = []
  const { sopClass } = declare(slice.sop)
  const association = await openAssociation({
    host: '127.0.0.1',
    port,
    callingAe,
    calledAe: 'CAMI',
    pairs: [
      { abstractSyntax: getClass, transferSyntax: implicitLittle },
      { abstractSyntax: sopClass, transferSyntax, roles: { user: false, provider: true } },
    ],
    async onRequest(_command, bytes = Buffer.alloc(0)) {
      received.push(bytes)
      return { status: 0 }
    },
    limits: dimseLimits,
  })
  const identifier = encodeDataSet(
    {
      '00080052': { vr: 'CS', Value: ['STUDY'] },
      '0020000D': { vr: 'UI', Value: [slice.study] },
    },
    { isExplicit: false, encoders: [utf8Encoder] },
  )
  const context = association.contextOf(getClass)?.id ?? 0
  const asked = { field: commandField.getRequest, sopClass: getClass, sopUid: '' }
  for await (const { command } of association.askMany(context, asked, identifier)) {
    assert.equal(command.status, 0)
  }
  await association.release()
  return received
}

test('who is registered for it gets corrections written in, everybody else what was received', async () => {
  await using ours = await startTestNode([device('CAMI', { services: ['store'] })])
  await using node = await startTestNode([
    device('PLAIN'),
    device('SHOWN', { corrected: true }),
    device('CAMI', { corrected: true, port: ours.port }),
  ])
  await sendSlice(node.archive, slice)
  await node.archive.overlay(correctionProof('demographics'), {
    kind: 'correct',
    target: { level: 'study', study: slice.study as StudyUid },
    attributes: [{ tag: '00100010', new: ['Петрова^Анна'] }],
  })
  const [plain] = await get(node.port, 'PLAIN', explicitLittle)
  assert.deepEqual(plain, dataSet(slice))
  for (const transferSyntax of [explicitLittle, implicitLittle]) {
    const [shown = Buffer.alloc(0)] = await get(node.port, 'SHOWN', transferSyntax)
    const { keys } = await readIdentifier(shown, transferSyntax)
    assert.deepEqual(keys['00100010']?.Value, [{ Alphabetic: 'Петрова^Анна' }])
    const replaced = JSON.stringify(keys['04000561'])
    assert.match(replaced, /Иванов\^Пётр/)
  }
  // C-MOVE: by who receives it, not by who asks.
  const remote = createRemoteArchives({ callingAe: 'CAMI' })
  const there = device('CAMI', { port: node.port })
  const watch = { signal: new AbortController().signal, onProgress: () => undefined }
  const counts = await remote.move(there, { study: slice.study }, watch)
  assert.deepEqual(counts, { completed: 1, failed: 0, warning: 0 })
  const query = { level: 'study', match: {}, limit: 10, offset: 0 } as const
  const { matches } = await ours.archive.search(searchProof, query)
  assert.deepEqual(matches[0]?.['00100010']?.Value, [{ Alphabetic: 'Петрова^Анна' }])
})
