import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { openLevelStore } from './level-store.ts'

const run = promisify(execFile)

/** A real file system; undefined when this process may not mount one. */
async function mountSmall() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-full-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', dir])
  } catch {
    await rm(dir, { recursive: true })
    return undefined
  }
  return {
    dir,
    async [Symbol.asyncDispose]() {
      await run('umount', [dir])
      await rm(dir, { recursive: true })
    },
  }
}

test('what is acknowledged once a full disk has space again is there after a restart', async (context) => {
  await using disk = await mountSmall()
  if (disk === undefined) return context.skip('may not mount a file system')
  const folder = path.join(disk.dir, 'store')
  const fill = path.join(disk.dir, 'fill')
  const acknowledged: string[] = []
  const value = 'x'.repeat(30_011)
  {
    await using store = await openLevelStore(folder)
    const put = async (key: string): Promise<boolean> => {
      try {
        await store.write([{ put: key, value }])
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'storage_failed')
        return false
      }
      acknowledged.push(key)
      return true
    }
    for (let round = 0; round < 3; round++) {
      const read = Promise.all(Array.from({ length: 20 }, () => store.list('a/', { limit: 100 })))
      const puts = Array.from({ length: 5 }, (_, i) => put(`a/${round}-${i}`))
      assert.deepEqual(
        await Promise.all(puts),
        puts.map(() => true),
        'there is space',
      )
      await read
      assert.equal((await store.list(`a/${round}`, { limit: 100 })).length, puts.length)
      const { bavail, bsize } = await statfs(disk.dir)
      await writeFile(fill, Buffer.alloc(bavail * bsize - 20_000 - round * 4096))
      let refused = 0
      for (let i = 0; i < 10; i++) if (!(await put(`b/${round}-${i}`))) refused += 1
      assert.ok(refused > 0)
      assert.equal(await store.get(`a/${round}-0`), value, 'reading goes on')
      await rm(fill)
    }
    assert.ok(await put('c/last'))
  }
  await using store = await openLevelStore(folder)
  const lost: string[] = []
  for (const key of acknowledged) if ((await store.get(key)) !== value) lost.push(key)
  assert.deepEqual(lost, [])
})
