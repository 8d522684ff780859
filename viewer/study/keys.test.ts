import { test } from 'node:test'
import assert from 'node:assert/strict'
import { bindings, capGroups, chordOf, commandOf, isForControl, keyCaps } from './keys.ts'

const press = (code: string, more: object = {}) => ({
  code,
  key: '',
  ctrlKey: false,
  shiftKey: false,
  altKey: false,
  metaKey: false,
  ...more,
})

test('keys are known by their place, so a Russian layout works', () => {
  assert.equal(commandOf(press('KeyW', { key: 'ц' })), 'modeWindow')
  assert.equal(commandOf(press('Digit1', { key: '1' })), 'presetLungs')
})

test('modifiers make other commands, those of the system make none', () => {
  assert.equal(commandOf(press('ArrowUp')), 'slicePrevious')
  assert.equal(commandOf(press('ArrowUp', { shiftKey: true })), 'windowUp')
  assert.equal(commandOf(press('ArrowUp', { ctrlKey: true })), 'panUp')
  assert.equal(commandOf(press('ArrowUp', { altKey: true })), undefined)
  assert.equal(commandOf(press('KeyR', { ctrlKey: true })), undefined)
  assert.equal(commandOf(press('KeyW', { metaKey: true })), undefined)
})

test('help comes with F1 and with a question mark on any layout', () => {
  assert.equal(commandOf(press('F1')), 'help')
  assert.equal(commandOf(press('Slash', { key: '?', shiftKey: true })), 'help')
  assert.equal(commandOf(press('Digit7', { key: '?', shiftKey: true })), 'help')
})

test('no chord has two meanings, and every command has a chord', () => {
  const seen = new Map<string, string>()
  for (const { commands } of bindings) {
    for (const [command, ...chords] of commands) {
      assert.ok(chords.length > 0, command)
      assert.equal(chordOf(command), chords[0])
      for (const chord of chords) {
        assert.equal(seen.get(chord), undefined, chord)
        seen.set(chord, command)
      }
    }
  }
})

test('caps are what stands on the keys', () => {
  assert.deepEqual(keyCaps('Shift+ArrowLeft'), ['Shift', '←'])
  assert.deepEqual(keyCaps('KeyW'), ['W'])
  assert.deepEqual(keyCaps('Digit0'), ['0'])
  assert.deepEqual(keyCaps('Equal'), ['+'])
  assert.deepEqual(keyCaps('Space'), ['Space'])
})

test('chords with one modifier stand together', () => {
  const line = {
    text: 'keyPan',
    commands: [
      ['panLeft', 'Ctrl+ArrowLeft'],
      ['panRight', 'Ctrl+ArrowRight'],
    ],
  } as const
  assert.deepEqual(capGroups(line), [['Ctrl', '←', '→']])
  const plain = {
    text: 'keyFit',
    commands: [
      ['fit', 'KeyF'],
      ['actual', 'Digit0'],
    ],
  } as const
  assert.deepEqual(capGroups(plain), [['F'], ['0']])
})

test('typing in a field is not a command, Space on a button presses it', () => {
  assert.equal(isForControl({ tagName: 'INPUT', type: 'text' }, 'KeyW'), true)
  assert.equal(isForControl({ tagName: 'INPUT', type: 'range' }, 'KeyW'), false)
  assert.equal(isForControl({ tagName: 'SELECT' }, 'ArrowDown'), true)
  assert.equal(isForControl({ tagName: 'BUTTON' }, 'Space'), true)
  assert.equal(isForControl({ tagName: 'BUTTON' }, 'ArrowDown'), false)
  assert.equal(isForControl(null, 'KeyW'), false)
})
