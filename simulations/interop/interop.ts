import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { missingProgram } from '../bench/peer-process.ts'
import { corpusMissing } from '../corpus.ts'
import { callDcmtk } from './dcmtk-calls.ts'
import { callOrthanc } from './orthanc-calls.ts'
import { browserCalls, callOthers } from './other-calls.ts'
import { callAll, printRows } from './call.ts'
import { compareErrors } from './dciodvfy.ts'
import { printWays, roundTrip, type Accepted, sendCorpus } from './round-trip.ts'
import { setStage, type Stage } from './stage.ts'

/**
 * Foreign programs against one node: `npm run interop`. The peers are Debian's (`npm run setup -- --bench`), the files
 * are the corpus; parts: `peers`, `browsers`, `trip`, `dciodvfy` (all of them where none is named).
 */

async function makeReferral({ admin }: Stage): Promise<void> {
  const answer = await admin.post('/api/referrals', {
    patient: { id: 'P-INTEROP', name: 'Иванов^Пётр', birthDate: '19700101', sex: 'M' },
    steps: [{ id: '1', modality: 'CT', startDate: '20261128', startTime: '101500' }],
  })
  if (!answer.ok) throw new Error(`a referral was answered ${answer.status}`)
}

async function main(parts: readonly string[]): Promise<void> {
  if (corpusMissing !== false) throw new Error(corpusMissing)
  const wants = (part: string) => parts.length === 0 || parts.includes(part)
  if (wants('peers')) await onStage(callPeers)
  if (wants('browsers')) printRows(await callAll(browserCalls))
  // On a node of its own: what tools re-encode on their way would be other content under the same UIDs.
  if (!wants('trip') && !wants('dciodvfy')) return
  await onStage(async (stage) => {
    const { accepted, told } = await sendCorpus(stage)
    console.log(`\ncorpus over C-STORE: ${told}`)
    if (wants('trip')) printWays(await roundTrip(stage, accepted), accepted.length)
    if (wants('dciodvfy')) await printErrors(stage, accepted)
  })
}

async function onStage(act: (stage: Stage) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'cami-interop-'))
  stack.defer(() => rm(scratch, { recursive: true, force: true }))
  await act(stack.use(await setStage(scratch)))
}

async function callPeers(stage: Stage): Promise<void> {
  await makeReferral(stage)
  for (const call of [callDcmtk, callOrthanc, callOthers]) {
    const rows = await call(stage)
    printRows(rows)
    if (rows.some(({ verdict }) => verdict === 'failed')) process.exitCode = 1
  }
}

async function printErrors(stage: Stage, accepted: readonly Accepted[]): Promise<void> {
  const missing = missingProgram('dciodvfy')
  if (missing !== undefined) return console.log(missing)
  const { checked, withErrors, added } = await compareErrors(stage, accepted)
  console.log(
    `dciodvfy: ${checked} files, ${withErrors} with errors as they came, ${added.length} with new errors as retrieved`,
  )
  for (const { file, errors } of added) console.log(`  ${file}: ${errors.join('; ')}`)
  if (added.length > 0) process.exitCode = 1
}

await main(process.argv.slice(2))
