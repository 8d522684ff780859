import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { verifyCredential } from '#protocol/credential.ts'
import { encodeEntry } from '#protocol/transparency/entries.ts'
import { createLogWorld, noteOf } from '#protocol/transparency/log.fixture.ts'
import { createTileWriter, encodeEntries, tilePath } from '#protocol/transparency/tiles.ts'
import { verifyTrustList } from '#protocol/trust-list.ts'
import { createKey } from './authority.ts'
import { run } from './commands.ts'
import { readKeyFile, writeKeyFile } from './key-file.ts'
import { usage } from './usage.ts'

const folder = import.meta.dirname
const clock = () => Date.UTC(2026, 10, 25, 4)

async function createFolder() {
  const name = await mkdtemp(path.join(tmpdir(), 'cami-certs-'))
  process.chdir(name)
  return {
    name,
    [Symbol.asyncDispose]: async () => {
      process.chdir(tmpdir())
      await rm(name, { recursive: true })
    },
  }
}

/** Chance that repeats itself: the n-th bytes asked for are all n. */
function createCommand() {
  let drawn = 0
  return async (argv: string[]) => {
    let out = ''
    let err = ''
    const code = await run(argv, {
      out: (text) => (out += text),
      err: (text) => (err += text),
      clock,
      random: (bytes) => new Uint8Array(bytes).fill((drawn += 1)),
    })
    return { out, err, code }
  }
}

/** One line of a transcript: our command, or one of the few that prepare and show files. */
async function runLine(line: string, certs: ReturnType<typeof createCommand>): Promise<string> {
  const words = Array.from(
    line.matchAll(/"([^"]*)"|(\S+)/g),
    ([, quoted, plain]) => quoted ?? plain ?? '',
  )
  const [command, file = '', ...rest] = words
  if (command === 'ls') return listing()
  if (command === 'chmod') await chmod(rest[0] ?? '', Number.parseInt(file, 8))
  if (command === 'registry') await writeRegistry(file)
  if (command === 'flip') await flip(file)
  if (command === 'write') await writeFile(file, `${line.split(' ').slice(2).join(' ')}\n`)
  if (command !== 'certs') return ''
  const { out, err, code } = await certs(words.slice(1))
  const errors = err.split('\n').slice(0, -1)
  return out + errors.map((line) => `! ${line}\n`).join('') + (code === 0 ? '' : `exit ${code}\n`)
}

/** A registry's log as files, of which two witnesses of three have signed the checkpoint. */
async function writeRegistry(dir: string): Promise<void> {
  const world = await createLogWorld()
  const { at, holder, grantee, sign } = world
  const grant = { kind: 'grant', at, token: await sign.grant() } as const
  const lost = { kind: 'key-revocation', at, kid: world.stranger.kid } as const
  const entries = [...world.beginning, grant, lost].map(encodeEntry)
  const writer = createTileWriter(0, [])
  entries.forEach((entry) => writer.append(entry))
  const width = entries.length
  const note = await noteOf([...world.beginning, grant, lost])
  const files = [
    ['checkpoint', world.cosigned(note, [holder, grantee])],
    [tilePath({ level: 'entries', index: 0, width }), encodeEntries(entries)],
    ...writer.take().map((tile) => [tilePath(tile), tile.bytes] as const),
  ] as const
  for (const [name, content] of files) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true })
    await writeFile(path.join(dir, name), content)
  }
}

/** Another last bit. */
async function flip(file: string): Promise<void> {
  const bytes = await readFile(file)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  await writeFile(file, bytes)
}

async function listing(): Promise<string> {
  const files = (await readdir('.')).toSorted()
  const modes = await Promise.all(files.map(async (file) => (await stat(file)).mode & 0o777))
  return files.map((file, at) => `${modes[at]?.toString(8)} ${file}\n`).join('')
}

/** Runs the commands of a transcript and puts what they print below each. */
async function played(transcript: string): Promise<string> {
  await using _ = await createFolder()
  const certs = createCommand()
  let played = ''
  for (const line of transcript.split('\n')) {
    if (line.startsWith('#')) played += `${line}\n`
    if (!line.startsWith('$ ')) continue
    played += `${line}\n${await runLine(line.slice(2), certs)}`
  }
  return played
}

process.umask(0o022)
for (const file of ['federation.txt', 'enrollment.txt', 'log.txt', 'refusals.txt', 'rekey.txt']) {
  test(`transcript ${file}`, async () => {
    const where = path.join(folder, 'transcripts', file)
    const transcript = await readFile(where, 'utf8')
    const found = await played(transcript)
    // `CAMI_TRANSCRIPTS=write` records an intended change.
    if (process.env['CAMI_TRANSCRIPTS'] === 'write') await writeFile(where, found)
    else assert.equal(found, transcript)
  })
}

test('called bare it shows its usage and fails, asked for help it succeeds', async () => {
  const certs = createCommand()
  assert.deepEqual(await certs([]), { out: '', err: usage, code: 2 })
  assert.deepEqual(await certs(['--help']), { out: usage, err: '', code: 0 })
})

test('the program makes what the federation accepts', async () => {
  await using _ = await createFolder()
  const certs = (argv: string[]) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, [path.join(folder, 'main.ts'), ...argv], (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      )
    })
  const root = await certs(['root', '--out', 'root.jwk'])
  assert.equal(root.code, 0)
  assert.equal((await certs(['root', '--out', 'root.jwk'])).code, 2)
  const authority = /thumbprint +(\S+)/.exec(root.stdout)?.[1] ?? ''
  for (const name of ['issuing', 'node']) await certs(['node-key', '--out', `${name}.jwk`])
  const list = ['trust-list', '--root', 'root.jwk', '--issuer', 'issuing.jwk.pub']
  await certs([...list, '--registry', 'node.jwk.pub', '--out', 'list.jwt'])
  const oid = '1.2.643.5.1.13.13.12.2.42.1001'
  const made = ['credential', '--issuer', 'issuing.jwk', '--oid', oid, '--name', 'ГАУЗ']
  const key = ['--key', 'node.jwk.pub']
  await certs(['challenge', '--oid', oid, ...key, '--out', 'challenge.json'])
  const proof = ['--challenge', 'challenge.json', '--out', 'proof.jwt']
  const proven = await certs(['prove', '--key', 'node.jwk', ...proof])
  const digits = /digits +([\d ]+)/.exec(proven.stdout)?.[1]?.trim() ?? ''
  const answer = ['--challenge', 'challenge.json', '--proof', 'proof.jwt', '--digits', digits]
  await certs([...made, ...key, ...answer, '--out', 'credential.jwt'])
  const now = Date.now()
  const token = (file: string) => readFile(file, 'utf8').then((text) => text.trim())
  const pin = { authority: authority as never, now }
  const { claims: trust } = await verifyTrustList(await token('list.jwt'), pin)
  const { claims } = await verifyCredential(await token('credential.jwt'), { trust, now })
  assert.equal(claims.sub, `oid:${oid}`)
})

test('a key file is private from the beginning and is read only while it is', async () => {
  await using _ = await createFolder()
  const key = createKey()
  await writeKeyFile('key.jwk', key)
  assert.equal((await stat('key.jwk')).mode & 0o777, 0o600)
  assert.deepEqual(await readKeyFile('key.jwk'), key)
  const invalid = { code: 'configuration_invalid' }
  for (const mode of [0o640, 0o604, 0o601, 0o622]) {
    await chmod('key.jwk', mode)
    await assert.rejects(readKeyFile('key.jwk'), invalid)
  }
  await chmod('key.jwk', 0o400)
  assert.deepEqual(await readKeyFile('key.jwk'), key)
})

test('a name that is taken is not written through, not even by a link', async () => {
  await using _ = await createFolder()
  await symlink('target.jwk', 'key.jwk')
  await assert.rejects(writeKeyFile('key.jwk', createKey()), { code: 'configuration_invalid' })
  await assert.rejects(stat('target.jwk'), { code: 'ENOENT' })
})

test('what is no key file is refused in one sentence: folders, devices, large and broken files', async () => {
  await using temporary = await createFolder()
  const key = createKey()
  const texts = {
    empty: '',
    text: 'AAAA',
    array: '[]',
    public: JSON.stringify({ kty: key.kty, crv: key.crv, x: key.x }),
    more: JSON.stringify({ ...key, use: 'sig' }),
    other: JSON.stringify({ ...key, x: createKey().x }),
    large: ' '.repeat(5000),
  }
  for (const [name, text] of Object.entries(texts)) await writeFile(name, text, { mode: 0o600 })
  for (const name of [...Object.keys(texts), temporary.name, '/dev/zero', 'missing']) {
    await assert.rejects(readKeyFile(name), (error: Error & { code: string }) => {
      assert.equal(error.code, 'configuration_invalid')
      assert.doesNotMatch(error.message, /\n/)
      assert.doesNotMatch(error.message, new RegExp(key.d))
      return true
    })
  }
})

test('a seed gives one key, no seed a new one', () => {
  const seed = new Uint8Array(32).fill(3)
  assert.deepEqual(createKey(seed), createKey(seed))
  assert.notDeepEqual(createKey(), createKey())
  assert.throws(() => createKey(new Uint8Array(16)), { code: 'key_weak' })
})
