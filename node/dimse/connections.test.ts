import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createConnections } from './connections.ts'

const limits = {
  associationsMax: 4,
  associationsPerAddress: 2,
  pendingMax: 6,
  pendingPerAddress: 3,
}

test('a newcomer displaces the oldest socket of its own address that has no association', () => {
  const connections = createConnections(limits)
  const evicted: number[] = []
  const slots = [1, 2, 3].map((n) => connections.enter('a', () => evicted.push(n)))
  assert.equal(slots[0]?.associate(), true)
  connections.enter('a', () => evicted.push(4))
  assert.equal(evicted.length, 0)
  connections.enter('a', () => evicted.push(5))
  assert.deepEqual(evicted, [2])
})

test('a newcomer displaces the oldest of all when all places are taken', () => {
  const connections = createConnections(limits)
  const evicted: string[] = []
  for (const address of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
    connections.enter(address, () => evicted.push(address))
  }
  assert.deepEqual(evicted, ['a', 'b'])
  assert.equal(connections.sockets(), limits.pendingMax)
})

test('associations are counted in all and for each address', () => {
  const connections = createConnections(limits)
  const associate = (address: string) => {
    const slot = connections.enter(address, () => undefined)
    const has = slot.associate()
    if (has) slot.prove()
    return { slot, has }
  }
  const first = associate('a')
  assert.deepEqual(
    ['a', 'a', 'b', 'b', 'c'].map((address) => associate(address).has),
    [true, false, true, true, false],
  )
  assert.equal(connections.associations(), limits.associationsMax)
  first.slot.dissociate()
  assert.equal(associate('c').has, true)
  first.slot.leave()
})

test('where associations are full, the oldest that has sent nothing whole makes room', () => {
  const evicted: string[] = []
  const connections = createConnections(limits)
  const enter = (name: string) => {
    const slot = connections.enter('a', () => evicted.push(name))
    return { slot, has: slot.associate() }
  }
  enter('good').slot.prove()
  enter('idle')
  const { has, slot } = enter('new')
  assert.equal(has, true)
  assert.deepEqual(evicted, ['idle'])
  slot.prove()
  assert.equal(enter('newer').has, false, 'who has sent something keeps its place')
})
