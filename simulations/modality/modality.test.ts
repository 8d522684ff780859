import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createPart10Header } from '../../node/dicom/part10.ts'
import { createWalker } from '../../node/dicom/walker.ts'
import type { StoreItem } from '../../node/dimse/scu.ts'
import { createPerson } from '../people.ts'
import { createRandom, type Random } from '../random.ts'
import { createCt } from './ct.ts'
import { createDx } from './dx.ts'
import { createMg } from './mg.ts'
import { createMr } from './mr.ts'
import type { StudyContext } from './study.ts'
import { createUs } from './us.ts'

const contextOf = (random: Random): StudyContext => ({
  patient: createPerson(random),
  issuer: '1.2.643.5.1.13.13.12.2.42.9001',
  institution: 'ГБУЗ «Районная больница № 1» (учебная)',
  studyUid: '2.25.856',
  date: '20261101',
  time: '083000',
  accession: 'CRB1-10001',
  description: 'Исследование',
  referrer: 'Юдина^Ольга^Ивановна',
})

const digestOf = (items: StoreItem[]) =>
  hash('sha256', Buffer.concat(items.map(({ dataSet }) => dataSet)))

const all: Record<string, (context: StudyContext, random: Random) => StoreItem[]> = {
  CT: (context, random) => [...createCt(context, random, { slices: 3, size: 128 })],
  DX: (context, random) => [createDx(context, random)],
  MR: (context, random) => [...createMr(context, random, { slices: 2 })],
  US: (context, random) => [createUs(context, random, { frames: 3 })],
  MG: (context, random) => [...createMg(context, random)],
}

for (const [modality, make] of Object.entries(all)) {
  test(`${modality}: whole, read by dcmtk without a complaint, the same for the same seed`, () => {
    const items = make(contextOf(createRandom(5)), createRandom(5))
    const again = make(contextOf(createRandom(5)), createRandom(5))
    assert.equal(digestOf(items), digestOf(again))
    const folder = mkdtempSync(path.join(os.tmpdir(), 'cami-modality-'))
    try {
      for (const item of items) {
        const walker = createWalker(item.transferSyntax)
        walker.write(item.dataSet)
        const walk = walker.end()
        assert.equal(walk.attributes['00080060']?.Value?.[0], modality)
        const file = path.join(folder, 'image.dcm')
        writeFileSync(file, Buffer.concat([createPart10Header(item), item.dataSet]))
        const dump = execFileSync('dcmdump', ['+U8', file], { encoding: 'utf8', stdio: 'pipe' })
        assert.match(dump, /\(7fe0,0010\)/)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}
