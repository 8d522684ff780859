import path from 'node:path'
import { preact } from '@preact/preset-vite'
import { defineConfig, type UserConfig } from 'vite'
import { compress } from './build/compress.ts'
import { dwvWorkers } from './build/dwv-workers.ts'
import { sourceArchive } from './build/source-archive.ts'
import { createThirdParty } from './build/third-party.ts'

const root = path.resolve(import.meta.dirname, '..')
const thirdParty = createThirdParty()
/** A node to talk to while developing: `CAMI_NODE=http://127.0.0.1:8410 npx vite viewer`. */
const node = process.env['CAMI_NODE'] ?? 'http://127.0.0.1:8410'

/** What the two applications have in common: the content security policy allows neither inline scripts nor data: modules. */
const build = {
  target: 'es2022',
  // Browsers that know light-dark(); without this it would be rewritten for those that do not.
  cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
  emptyOutDir: true,
  sourcemap: true,
  modulePreload: { polyfill: false },
  assetsInlineLimit: 0,
  chunkSizeWarningLimit: 1000,
} satisfies UserConfig['build']

/** For doctors; a node serves it. */
const viewer: UserConfig = {
  root: import.meta.dirname,
  plugins: [preact(), dwvWorkers(), thirdParty.main, sourceArchive(root), compress()],
  // dwv stays outside so that the worker fix applies in development; its CommonJS dependencies must then be named.
  optimizeDeps: {
    exclude: ['dwv'],
    include: [
      'dwv > konva',
      'dwv > jszip',
      'dwv > magic-wand-tool',
      '@cornerstonejs/codec-openjph/wasmjs',
      '@cornerstonejs/codec-charls/decodewasmjs',
      '@cornerstonejs/codec-openjpeg/decodewasmjs',
      '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs',
    ],
  },
  server: { proxy: { '/api': node, '/dicom-web': node } },
  build: { ...build, outDir: path.join(root, 'dist/viewer') },
  worker: { format: 'es', plugins: thirdParty.worker },
}

/** For the operator (`--mode operator`); the registry serves it. Built apart, it adds nothing to what doctors load. */
const operator: UserConfig = {
  root: import.meta.dirname,
  plugins: [preact(), thirdParty.main, sourceArchive(root), compress()],
  server: { proxy: { '/api': node, '/log': node } },
  build: {
    ...build,
    outDir: path.join(root, 'dist/operator'),
    rolldownOptions: { input: path.join(import.meta.dirname, 'operator.html') },
  },
}

export default defineConfig(({ mode }) => (mode === 'operator' ? operator : viewer))
