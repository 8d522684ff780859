import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * The dependency rules as data. A rule in prose rots; this one fails the build. `docs/ARCHITECTURE.md` explains them.
 */

/** Which areas each area may import. An area is a top-level folder, or a folder inside node and registry. */
const mayImport: Record<string, readonly string[]> = {
  protocol: ['protocol'],
  pixels: ['pixels'],
  'protocol/transport': ['protocol', 'protocol/transport'],
  'protocol/secrets': ['protocol', 'protocol/secrets'],
  certs: ['certs', 'protocol'],
  viewer: ['viewer', 'pixels', 'protocol'],
  'node/dicom': ['node/dicom', 'pixels', 'node', 'protocol'],
  'node/archive': ['node/archive', 'node/dicom', 'node', 'protocol'],
  'node/dimse': ['node/dimse', 'node/archive', 'node/dicom', 'node/store', 'node', 'protocol'],
  'node/dicomweb': [
    'node/dicomweb',
    'node/archive',
    'node/dicom',
    'pixels',
    'node/access',
    'node',
    'protocol',
  ],
  'node/exchange': [
    'node/exchange',
    'node/archive',
    'node/dicom',
    'node/access',
    'node',
    'protocol',
    'protocol/transport',
  ],
  'node/replica': [
    'node/replica',
    'node/archive',
    'node/dicom',
    'node',
    'protocol',
    'protocol/transport',
  ],
  'node/media': ['node/media', 'node/archive', 'node/dicom', 'node', 'protocol'],
  'node/reports': ['node/reports', 'node/archive', 'node/dicom', 'node', 'protocol'],
  'node/store': ['node/store', 'node', 'protocol'],
  'node/access': [
    'node/access',
    'node/archive',
    'node/dicom',
    'node/store',
    'node',
    'protocol',
    'protocol/secrets',
    'protocol/transport',
  ],
  'node/http': ['node/http', 'node/access', 'node/archive', 'node/store', 'node', 'protocol'],
  'registry/store': ['registry/store', 'registry', 'protocol'],
  'registry/http': [
    'registry/http',
    'registry/forms',
    'registry/transparency',
    'registry/store',
    'registry',
    'protocol',
    'protocol/secrets',
  ],
  'registry/transparency': [
    'registry/transparency',
    'registry/store',
    'registry',
    'protocol',
    'protocol/transport',
  ],
  'registry/forms': ['registry/forms', 'registry', 'protocol'],
  registry: [
    'registry',
    'registry/store',
    'registry/forms',
    'registry/http',
    'registry/transparency',
    'protocol',
    'protocol/secrets',
    'protocol/transport',
  ],
}

/** Files that see everything below them: the only wiring. */
const wiring = new Set(['node/node.ts', 'node/main.ts', 'registry/registry.ts', 'registry/main.ts'])

/** Every heavy library has one home. */
const homes: Record<string, readonly string[]> = {
  libp2p: ['protocol/transport'],
  '@libp2p/': ['protocol/transport'],
  '@chainsafe/': ['protocol/transport'],
  '@multiformats/': ['protocol/transport'],
  'it-pipe': ['protocol/transport'],
  'it-length-prefixed': ['protocol/transport'],
  uint8arraylist: ['protocol/transport'],
  jose: ['protocol'],
  otplib: ['protocol/secrets', 'simulations'],
  '@node-rs/argon2': ['protocol/secrets'],
  dcmjs: ['node/dicom'],
  'dcmjs-dimse': ['node/dimse'],
  level: ['node/archive', 'node/store', 'node/replica', 'registry/store'],
  koa: ['node/http', 'node/dicomweb', 'registry/http'],
  '@koa/router': ['node/http', 'node/dicomweb', 'registry/http'],
  '@zip.js/': ['node/media', 'node/dicomweb', 'node/reports'],
  dwv: ['viewer'],
  preact: ['viewer'],
}

const topFolders = [
  '.ci',
  'pixels',
  'protocol',
  'node',
  'registry',
  'viewer',
  'certs',
  'simulations',
  'docs',
]

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.tsx?$/.test(file))
const isTest = (file: string) => /\.(test|soak|conformance|fixture)\.tsx?$/.test(file)
const sources = files.filter((file) => !isTest(file))

function areaOf(file: string): string {
  const [top = '', second = '', third] = file.split('/')
  const nested = third !== undefined && (top === 'node' || top === 'registry')
  if (nested) return `${top}/${second}`
  const apart = ['protocol/transport', 'protocol/secrets']
  return apart.find((area) => file.startsWith(`${area}/`)) ?? top
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)[^'"\n;]*?(?:\{[^}]*\}[^'"\n]*?)?['"]([^'"\n]+)['"]|import\(\s*['"]([^'"]+)['"]/g,
  )
  return [...found].map((match) => match[1] ?? match[2] ?? '').filter((name) => name !== '')
}

function fileOf(specifier: string, from: string): string | undefined {
  const own = /^#((?:pixels|protocol)\/.*)$/.exec(specifier)?.[1]
  if (own !== undefined) return own
  return specifier.startsWith('.')
    ? path.posix.join(path.posix.dirname(from), specifier)
    : undefined
}

test('every import goes where the dependency rules allow', () => {
  const wrong: string[] = []
  for (const file of sources) {
    const allowed = mayImport[areaOf(file)]
    if (allowed === undefined || wiring.has(file)) continue
    for (const specifier of importsOf(file)) {
      const target = fileOf(specifier, file)
      if (target === undefined) continue
      if (wiring.has(target) || !allowed.includes(areaOf(target))) wrong.push(`${file} → ${target}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('node and registry never import each other, and nobody imports the simulations', () => {
  const wrong: string[] = []
  for (const file of files) {
    const top = file.split('/')[0] ?? ''
    for (const specifier of importsOf(file)) {
      const target = fileOf(specifier, file)?.split('/')[0]
      if (target === 'simulations' && top !== 'simulations') wrong.push(`${file} → ${specifier}`)
      if (top === 'node' && target === 'registry') wrong.push(`${file} → ${specifier}`)
      if (top === 'registry' && target === 'node') wrong.push(`${file} → ${specifier}`)
      if (top === 'simulations' && target === 'viewer' && !isTest(file))
        wrong.push(`${file} → ${specifier}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('every heavy library is imported in its home only', () => {
  const wrong: string[] = []
  for (const file of sources) {
    if (file.startsWith('simulations/bench/')) continue
    for (const specifier of importsOf(file)) {
      const library = Object.keys(homes).find(
        (name) =>
          specifier === name || specifier.startsWith(name.endsWith('/') ? name : `${name}/`),
      )
      if (library !== undefined && homes[library]?.includes(areaOf(file)) === false) {
        wrong.push(`${file} → ${specifier}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
})

test('the protocol is pure: no Node module, no clock, no input or output', () => {
  const wrong: string[] = []
  for (const file of sources.filter((file) => areaOf(file) === 'protocol')) {
    if (file.startsWith('protocol/vectors/')) continue
    const text = readFileSync(file, 'utf8')
    if (
      /from 'node:|\bDate\.now\(|new Date\(\)|\bprocess\.[a-z]|\bBuffer\b|Math\.random/.test(text)
    )
      wrong.push(file)
  }
  assert.deepEqual(wrong, [])
})

test('dwv is imported in viewer/dwv only and jose in protocol/jws.ts only', () => {
  for (const file of sources) {
    for (const specifier of importsOf(file)) {
      if (specifier === 'dwv') assert.match(file, /^viewer\/dwv\//)
      if (specifier === 'jose') assert.equal(file, 'protocol/jws.ts')
    }
  }
})

test('top-level folders are the agreed ones, and none is a drawer for everything', () => {
  const tops = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]))
  for (const top of tops) assert.ok(topFolders.includes(top ?? ''), `unexpected folder ${top}`)
  for (const file of files) assert.doesNotMatch(file, /(^|\/)(shared|common|lib|utils?|helpers?)\//)
})

test('no file is imported by nobody', () => {
  const roots =
    /(^|\/)(main|demo|simulate|generate|vite\.config)\.tsx?$|\.worker\.ts$|^simulations\/(lab|bench|interop)\//
  const imported = new Set<string>()
  for (const file of files) {
    for (const specifier of importsOf(file)) {
      const target = fileOf(specifier, file)
      if (target !== undefined) imported.add(target).add(`${target}.ts`).add(`${target}.tsx`)
    }
  }
  const dead = sources.filter((file) => !imported.has(file) && !roots.test(file))
  assert.deepEqual(dead, [])
})
