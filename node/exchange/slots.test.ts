import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createSlots } from './slots.ts'

test('who finds no place waits in line, and who gives up leaves it', async () => {
  const slots = createSlots(2)
  const { signal } = new AbortController()
  const order: string[] = []
  const take = async (name: string, until = signal): Promise<() => void> => {
    const release = await slots.take(until)
    order.push(name)
    return release
  }
  const first = await take('first')
  const second = await take('second')
  const impatient = new AbortController()
  const third = assert.rejects(take('third', impatient.signal), /left/)
  const fourth = take('fourth')
  const fifth = take('fifth')
  impatient.abort(new Error('left'))
  await third
  first()
  first()
  await fourth
  assert.deepEqual(order, ['first', 'second', 'fourth'], 'given back once')
  second()
  await fifth
  assert.deepEqual(order, ['first', 'second', 'fourth', 'fifth'])
  await assert.rejects(take('sixth', impatient.signal), /left/)
})
