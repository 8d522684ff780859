import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Plugin } from 'vite'

/**
 * Writes `THIRD_PARTY.txt`: every package whose code is in the bundle, its version, licence and licence text. The
 * licences of dwv and the codecs ask for their notices to go with each copy.
 */
export function createThirdParty() {
  const folders = new Set<string>()
  const collect = (name: string): Plugin => ({
    name,
    transform(_code, id) {
      const folder = packageOf(id)
      if (folder !== undefined) folders.add(folder)
      return undefined
    },
    load(id) {
      const folder = packageOf(id)
      if (folder !== undefined) folders.add(folder)
      return undefined
    },
  })
  /** For the page. */
  const main: Plugin = {
    ...collect('third-party'),
    generateBundle() {
      const text = [...folders]
        .toSorted()
        .map(describe)
        .join(`\n${'─'.repeat(100)}\n\n`)
      this.emitFile({ type: 'asset', fileName: 'THIRD_PARTY.txt', source: text })
    },
  }
  /** Workers are bundled apart, with plugins of their own. */
  return { main, worker: () => [collect('third-party-worker')] }
}

function packageOf(id: string): string | undefined {
  const file = id.replace(/^\0/, '').split('?')[0] ?? ''
  const at = file.lastIndexOf('/node_modules/')
  if (at < 0) return undefined
  const [scope = '', name = ''] = file.slice(at + '/node_modules/'.length).split('/')
  const folder = path.join(
    file.slice(0, at),
    'node_modules',
    scope.startsWith('@') ? `${scope}/${name}` : scope,
  )
  return existsSync(path.join(folder, 'package.json')) ? folder : undefined
}

function describe(folder: string): string {
  const { name, version, license, homepage } = JSON.parse(
    readFileSync(path.join(folder, 'package.json'), 'utf8'),
  ) as { name: string; version: string; license?: string; homepage?: string }
  const texts = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .map((file) => readFileSync(path.join(folder, file), 'utf8').trim())
  const head = `${name} ${version}\nLicence: ${license ?? 'see below'}\n${homepage ?? ''}`.trim()
  return [head, ...texts].join('\n\n') + '\n'
}
