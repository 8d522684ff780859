import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { StudyUid } from '#protocol/ids.ts'
import { createCorrectionDoors } from '../../access/correction-doors.ts'
import {
  openTestArchive,
  searchProof,
  sendSlice,
  stranger,
  temporaryFolder,
} from '../../archive/archive.fixture.ts'
import type { Archive } from '../../archive/archive.ts'
import { openTestNode, organization, type TestNode } from '../http.fixture.ts'

const study = '1.2.3' as StudyUid
const slice = { study, series: '1.2.3.1', sop: '1.2.3.4' }
const reason = 'паспорт пациента'

type Place = { node: TestNode; archive: Archive; audited: AuditEntry[] }

const opened = new AsyncDisposableStack()
let node: TestNode | undefined
let current: Archive | undefined
let audited: AuditEntry[] = []

const archiveNow = (): Archive => {
  assert.ok(current !== undefined)
  return current
}

before(async () => {
  const proof = { ...searchProof, organization: organization.oid }
  const doors = {
    stillOpen: () => Promise.reject(new Error('nobody reads here')),
    openStudy: () => Promise.reject(new Error('no')),
    quarantine: () => archiveNow().quarantine(proof),
  }
  const corrections = createCorrectionDoors({
    archive: {
      overlay: (...args) => archiveNow().overlay(...args),
      overlays: (...args) => archiveNow().overlays(...args),
    },
    audit: { append: async (entry) => void audited.push(entry) },
    doors,
    federation: {
      policy: () => ({ secondFactor: 'optional', staleAfterHours: 24, transparency: 'off' }),
    },
    self: organization,
    clock: Date.now,
  })
  node = opened.use(await openTestNode({}, { corrections, doors }))
})
after(() => opened.disposeAsync())

/** One node, whose people take long to make, and an archive of its own for each test. */
function withNode(title: string, run: (place: Place) => Promise<void>): void {
  test(title, async () => {
    await using folder = await temporaryFolder()
    await using archive = await openTestArchive(folder.path, {
      holder: organization.oid,
      clock: Date.now,
    })
    current = archive
    audited = []
    assert.ok(node !== undefined)
    await run({ node, archive, audited })
  })
}

const target = { level: 'study', study }
const attributes = [{ tag: '00100010', new: ['Петрова^Анна'] }]

type Answer = { overlays: { seq: number; kind: string; who: string; revertedBy?: number }[] }
const read = async (answer: Response): Promise<Answer> => (await answer.json()) as Answer

suite('corrections over HTTP', () => {
  withNode(
    'a correction is made, listed and reverted, and each is audited',
    async ({ node, archive, audited }) => {
      await sendSlice(archive, slice)
      const radiographer = node.as('radiographer')
      const made = await node.post('/api/corrections', { target, attributes, reason }, radiographer)
      assert.equal(made.status, 200)
      const [overlay] = (await read(made)).overlays
      assert.ok(overlay !== undefined && overlay.who.startsWith(organization.oid))
      assert.equal((await archive.record(study))?.patient.name, 'Петрова^Анна')
      const path = `/api/corrections/${overlay.seq}/revert`
      assert.equal((await node.post(path, { reason: 'ошибка' }, radiographer)).status, 200)
      assert.equal((await archive.record(study))?.patient.name, 'Иванов^Пётр')
      assert.equal((await node.post(path, { reason: 'ошибка' }, radiographer)).status, 409)
      const listed = await read(
        await node.get(`/api/corrections?study=${study}`, node.as('security_auditor')),
      )
      assert.deepEqual(
        listed.overlays.map(({ kind, revertedBy }) => [kind, revertedBy]),
        [
          ['revert', undefined],
          ['correct', listed.overlays[0]?.seq],
        ],
      )
      assert.deepEqual(
        audited
          .filter(({ event }) => event === 'correction')
          .map(({ outcome, detail }) => [outcome, detail]),
        [
          ['success', 'study 00100010'],
          ['success', `revert correct ${overlay.seq}`],
          ['success', `revert correct ${overlay.seq}`],
          ['failure', `revert correct ${overlay.seq}`],
        ],
      )
      assert.ok(!JSON.stringify(audited).includes('Петрова'))
    },
  )

  withNode(
    'who may not, and who gives no reason, changes nothing',
    async ({ node, archive, audited }) => {
      await sendSlice(archive, slice)
      const ask = (path: string, body: object, role: Parameters<TestNode['as']>[0]) =>
        node.post(path, body, node.as(role))
      const correction = { target, attributes, reason }
      assert.equal((await ask('/api/corrections', correction, 'radiologist')).status, 403)
      assert.equal((await ask('/api/corrections', { target, attributes }, 'mo_admin')).status, 400)
      assert.equal(
        (await ask('/api/corrections', { ...correction, reason: ' ' }, 'mo_admin')).status,
        400,
      )
      // A radiographer puts a person right, not what was examined.
      const other = { ...correction, attributes: [{ tag: '00081030', new: ['Мозг'] }] }
      assert.equal((await ask('/api/corrections', other, 'radiographer')).status, 403)
      assert.equal((await ask('/api/corrections', other, 'mo_admin')).status, 200)
      const rejection = { target, code: '113038', reason }
      assert.equal((await ask('/api/rejections', rejection, 'radiographer')).status, 403)
      assert.equal((await archive.record(study))?.patient.name, 'Иванов^Пётр')
      const denied = audited.filter(({ outcome }) => outcome === 'denied')
      assert.deepEqual(
        denied.map(({ code }) => code),
        ['role_missing'],
      )
      assert.equal((await node.get('/api/corrections', node.as('radiologist'))).status, 403)
    },
  )

  withNode(
    'patients are merged, and a study is rejected and restored',
    async ({ node, archive }) => {
      await sendSlice(archive, slice)
      await sendSlice(archive, { study: '1.9', series: '1.9.0', sop: '1.9.1', patientId: '43' })
      const admin = node.as('mo_admin')
      const merge = {
        patient: { id: '43', issuer: '' },
        survivor: { id: '42', issuer: '' },
        reason,
      }
      assert.equal((await node.post('/api/patient-merges', merge, admin)).status, 200)
      assert.equal((await archive.record('1.9' as StudyUid))?.patient.id, '42')
      const rejected = await node.post('/api/rejections', { target, code: '113001', reason }, admin)
      const [overlay] = (await read(rejected)).overlays
      assert.equal(await archive.facts(study), undefined)
      const listed = await read(await node.get('/api/corrections?kind=reject', admin))
      assert.deepEqual(
        listed.overlays.map(({ seq }) => seq),
        [overlay?.seq],
      )
      await node.post(`/api/corrections/${overlay?.seq}/revert`, { reason }, admin)
      assert.notEqual(await archive.facts(study), undefined)
    },
  )

  withNode(
    'quarantined objects are listed with the question and let in',
    async ({ node, archive }) => {
      await sendSlice(archive, slice)
      await sendSlice(archive, { ...slice, sop: '1.2.3.5', patientId: '43' })
      const admin = node.as('mo_admin')
      const { entries } = (await (await node.get('/api/quarantine', admin)).json()) as {
        entries: { id: string; patients?: unknown }[]
      }
      const person = (id: string) => ({ id, name: 'Иванов^Пётр', birthDate: '' })
      assert.deepEqual(entries[0]?.patients, { received: person('43'), study: person('42') })
      const release = (as: string) =>
        node.post('/api/quarantine/release', { entries: [entries[0]?.id], as, reason }, admin)
      assert.equal((await release('received')).status, 409)
      assert.equal((await release('same-patient')).status, 200)
      assert.equal((await archive.record(study))?.instances, 2)
    },
  )

  withNode(
    'what a device sent before it was registered comes in with its registration',
    async ({ node, archive }) => {
      await sendSlice(archive, slice, stranger)
      const device = {
        id: 'who-1',
        aeTitle: 'WHO',
        addresses: ['10.0.0.0/24'],
        modality: 'CT',
        startDate: '2000-01-01',
      }
      const put = await fetch(`${node.url}/api/devices/who-1`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json', ...node.as('mo_admin') },
        body: JSON.stringify(device),
      })
      assert.equal(put.status, 200)
      assert.equal((await archive.record(study))?.instances, 1)
    },
  )
})
