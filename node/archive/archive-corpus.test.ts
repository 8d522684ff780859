import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf } from '#protocol/errors.ts'
import { corpusFile, corpusFiles, noCorpus } from '../dicom/data-set.fixture.ts'
import { readPart10File } from '../dicom/part10.ts'
import { openTestArchive, readAll, send, studyProof, temporaryFolder } from './archive.fixture.ts'

test(
  'every file of the corpus is stored byte for byte, kept apart, or refused with a reason',
  { skip: noCorpus },
  async (t) => {
    await using folder = await temporaryFolder()
    await using archive = await openTestArchive(folder.path)
    const table = new Map<string, number>()
    const count = (what: string) => table.set(what, (table.get(what) ?? 0) + 1)
    for (const file of corpusFiles()) {
      try {
        const { dataSet, ...declared } = readPart10File(corpusFile(file))
        const origin = { kind: 'media', path: file } as const
        const stored = await send(archive, dataSet, declared, { origin })
        count(stored.reason ?? stored.outcome)
        if (stored.outcome !== 'stored') continue
        await using reader = await archive.open(studyProof(stored.study))
        const read = await readAll(reader.read(stored.sop))
        assert.ok(read.equals(Buffer.from(dataSet)), file)
        const [header] = await reader.metadata({ sop: stored.sop })
        assert.ok(Object.keys(header ?? {}).length > 3, file)
        assert.ok(await archive.record(stored.study), file)
      } catch (error) {
        const code = codeOf(error)
        assert.match(code, /^instance_/, `${file}: ${String(error)}`)
        count(code)
      }
    }
    t.diagnostic(JSON.stringify(Object.fromEntries(table)))
    assert.ok((table.get('stored') ?? 0) > 100)
  },
)
