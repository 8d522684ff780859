import { test } from 'node:test'
import assert from 'node:assert/strict'
import { errorCodes, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import type { SeriesUid, Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import type { QuarantineReason, Stored } from '../archive/archive.ts'
import { commandField } from './command-set.ts'
import { outcomeOfError, outcomeOfFailure, outcomeOfStored } from './status.ts'

const expected: [ErrorCode, number][] = [
  ['storage_full', 0xa700],
  ['storage_failed', 0xa700],
  ['instance_mismatch', 0xa900],
  ['instance_malformed', 0xc000],
  ['instance_truncated', 0xc000],
  ['instance_too_complex', 0xc000],
  ['instance_conflict', 0xc001],
  ['unsupported', 0x0122],
  ['forbidden', 0x0124],
]
for (const [code, status] of expected) {
  test(`${code} is answered ${status.toString(16)}`, () => {
    assert.equal(outcomeOfError(new ProtocolError(code, 'Ivanov^Ivan')).status, status)
  })
}

test('no failure is ever a success, and none tells more than its fixed comment', () => {
  const errors = errorCodes.map((code) => new ProtocolError(code, 'Ivanov^Ivan'))
  for (const error of [...errors, new Error('Ivanov^Ivan'), undefined]) {
    const { status, comment } = outcomeOfError(error)
    assert.notEqual(status & 0xf000, 0xb000)
    assert.notEqual(status, 0)
    assert.match(comment, /^[a-zA-Z ,]{1,64}$/)
    assert.doesNotMatch(comment, /Ivanov/)
  }
})

test('a failure of a DIMSE-N request has a status of PS3.7 and no other', () => {
  const requests = ['eventReportRequest', 'actionRequest', 'createRequest', 'attributesSetRequest']
  const fields = Object.entries(commandField).filter(([name]) => requests.includes(name))
  assert.equal(fields.length, requests.length)
  const known = [0x0106, 0x0110, 0x0111, 0x0112, 0x0113, 0x0115, 0x0124, 0x0213]
  for (const [name, field] of fields) {
    for (const code of errorCodes) {
      const { status, comment } = outcomeOfFailure(new ProtocolError(code, 'Ivanov^Ivan'), field)
      assert.ok(known.includes(status), `${name} ${code} ${status.toString(16)}`)
      assert.match(comment, /^[a-zA-Z ,]{1,64}$/)
    }
  }
  const statusOf = (code: ErrorCode, field: number) =>
    outcomeOfFailure(new ProtocolError(code, ''), field).status
  assert.equal(statusOf('too_large', commandField.actionRequest), 0x0213)
  assert.equal(statusOf('too_large', commandField.findRequest), 0xa700)
  assert.equal(statusOf('unsupported', commandField.eventReportRequest), 0x0113)
})

test('quarantine is success, except for other content under a stored UID', () => {
  const stored = (outcome: Stored['outcome'], reason?: QuarantineReason): Stored => ({
    outcome,
    ...(reason === undefined ? {} : { reason }),
    study: '1' as StudyUid,
    series: '1' as SeriesUid,
    sop: '1' as SopUid,
    bytes: 0,
    sha256: '' as Sha256,
  })
  assert.equal(outcomeOfStored(stored('stored')).status, 0)
  assert.equal(outcomeOfStored(stored('duplicate')).status, 0)
  assert.equal(outcomeOfStored(stored('quarantined', 'unknown-device')).status, 0)
  assert.equal(outcomeOfStored(stored('quarantined', 'patient-conflict')).status, 0)
  assert.equal(outcomeOfStored(stored('quarantined', 'uid-syntax')).status, 0)
  assert.equal(outcomeOfStored(stored('quarantined', 'uid-conflict')).status, 0xc001)
})
