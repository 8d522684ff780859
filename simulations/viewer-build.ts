import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'

const sources = ['viewer', 'pixels', 'protocol', 'package-lock.json']

/** Builds the viewer when `dist/viewer` is missing or older than what it is made of. */
export const ensureViewer = (): Promise<void> => ensure('dist/viewer/index.html', 'production')

/** The same for the operator's screens in `dist/operator`. */
export const ensureOperator = (): Promise<void> => ensure('dist/operator/operator.html', 'operator')

async function ensure(built: string, mode: string): Promise<void> {
  const have = existsSync(built) ? (await stat(built)).mtimeMs : 0
  const newest = Math.max(...(await Promise.all(sources.map(newestIn))))
  if (have > newest) return
  const { build } = await import('vite')
  await build({ root: 'viewer', configFile: 'viewer/vite.config.ts', mode, logLevel: 'error' })
}

async function newestIn(place: string): Promise<number> {
  const at = await stat(place)
  if (!at.isDirectory()) return at.mtimeMs
  const entries = await readdir(place, { withFileTypes: true })
  const times = await Promise.all(
    entries
      .filter((entry) => !/\.test\.tsx?$|\.md$/.test(entry.name))
      .map((entry) => newestIn(path.join(place, entry.name))),
  )
  return Math.max(0, ...times)
}
