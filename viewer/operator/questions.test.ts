import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createQuestions } from './questions.ts'

function setUp() {
  const told: string[] = []
  const questions = createQuestions<string>({
    answered: (value) => told.push(value),
    failed: (error) => told.push(String(error)),
  })
  return { told, questions }
}

test('what was asked before a change does not undo what was asked after it', async () => {
  const { told, questions } = setUp()
  const before = Promise.withResolvers<string>()
  const after = Promise.withResolvers<string>()
  const asking = [questions.ask(() => before.promise), questions.ask(() => after.promise)]
  after.resolve('registered')
  await asking[1]
  before.resolve('submitted')
  await asking[0]
  assert.deepEqual(told, ['registered'])
})

test('an answer that comes when the page shows something else is not shown there', async () => {
  const { told, questions } = setUp()
  const answers = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  const asking = answers.map(({ promise }) => questions.ask(() => promise))
  questions.stop()
  answers[0]?.reject(new Error('late'))
  answers[1]?.resolve('form of another')
  await Promise.all(asking)
  // A dialog of the page before may end only now.
  await questions.ask(() => Promise.resolve('form of another'))
  assert.deepEqual(told, [])
})

test('it asks by itself only when nothing is awaited, and again after a failure', async () => {
  const { told, questions } = setUp()
  const first = Promise.withResolvers<string>()
  const asking = questions.ask(() => first.promise)
  await questions.askAgain(() => Promise.resolve('too early'))
  first.reject(new Error('no'))
  await asking
  await questions.askAgain(() => Promise.resolve('yes'))
  assert.deepEqual(told, ['Error: no', 'yes'])
})
