import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ApiError, unreachable } from '../api/http.ts'
import { studyOf } from '../api/studies.ts'
import { isPermanent } from './open-study.ts'
import { createStudyRow } from './study-row.ts'

const row = studyOf({ '0020000D': { Value: ['1.2'] }, '00100010': { Value: ['Иванов^Иван'] } })

function setUp(answers: (typeof row | undefined | Error)[]) {
  const asked: AbortSignal[] = []
  const failures: unknown[] = []
  const one = createStudyRow({
    async load(signal) {
      const answer = answers[asked.length]
      asked.push(signal)
      if (answer instanceof Error) throw answer
      return answer
    },
    isPermanent,
    failed: (error) => failures.push(error),
  })
  return { one, asked, failures }
}

test('a broken link does not leave the images without a name: the row is asked for again', async () => {
  const { one, asked } = setUp([new ApiError(0, unreachable), row])
  await one.ask()
  assert.equal(one.study.value, undefined)
  await one.ask()
  assert.equal(one.study.value?.patient.name, 'Иванов Иван')
  await one.ask()
  assert.equal(asked.length, 2)
})

test('an answer is an answer, also when it is no, or that there is no such study', async () => {
  for (const answer of [new ApiError(403, 'forbidden'), undefined]) {
    const { one, asked } = setUp([answer, row])
    await one.ask()
    await one.ask()
    assert.equal(asked.length, 1)
  }
})

test('one question at a time, and none of it is heard after leaving', async () => {
  const { one, asked, failures } = setUp([new ApiError(0, unreachable)])
  const asking = Promise.all([one.ask(), one.ask()])
  one[Symbol.dispose]()
  await asking
  assert.equal(asked.length, 1)
  assert.equal(asked[0]?.aborted, true)
  assert.deepEqual(failures, [])
})
