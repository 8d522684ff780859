import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

const included = [
  'viewer',
  'pixels',
  'protocol',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'LICENSE',
  '.npmrc',
]

/**
 * Puts the viewer's source beside the viewer, so that whoever gets the one can get the other (GNU GPL, section 6). It
 * holds what `npm ci && npm run build` needs, with the exact versions of the packages.
 */
export function sourceArchive(root: string): Plugin {
  return {
    name: 'source-archive',
    generateBundle() {
      const files = included.flatMap((name) => filesBelow(root, name)).toSorted()
      const entries = files.map((file) =>
        entry(`cami-viewer/${file}`, readFileSync(path.join(root, file))),
      )
      const archive = Buffer.concat([...entries, Buffer.alloc(1024)])
      this.emitFile({
        type: 'asset',
        fileName: 'cami-viewer-source.tar.gz',
        source: gzipSync(archive),
      })
      const licence = readFileSync(path.join(root, 'LICENSE'), 'utf8')
      this.emitFile({ type: 'asset', fileName: 'LICENSE.txt', source: licence })
    },
  }
}

function filesBelow(root: string, name: string): string[] {
  const parent = path.join(root, path.dirname(name))
  const found = readdirSync(parent, { withFileTypes: true }).find(
    (one) => one.name === path.basename(name),
  )
  if (found === undefined) return []
  if (found.isFile()) return [name]
  if (!found.isDirectory()) return []
  return readdirSync(path.join(root, name)).flatMap((child) => filesBelow(root, `${name}/${child}`))
}

/** One file in the ustar format (POSIX.1-1988); names here are far below its 100 characters. */
function entry(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0, 100)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
  // A fixed time makes two builds of one source equal.
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\u000000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}
