import path from 'node:path'
import { preact } from '@preact/preset-vite'
import { defineConfig } from 'vite'
import { compress } from './build/compress.ts'
import { dwvWorkers } from './build/dwv-workers.ts'
import { sourceArchive } from './build/source-archive.ts'
import { createThirdParty } from './build/third-party.ts'

const root = path.resolve(import.meta.dirname, '..')
const thirdParty = createThirdParty()
/** A node to talk to while developing: `CAMI_NODE=http://127.0.0.1:8410 npx vite viewer`. */
const node = process.env['CAMI_NODE'] ?? 'http://127.0.0.1:8410'

export default defineConfig({
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
  build: {
    target: 'es2022',
    // Browsers that know light-dark(); without this it would be rewritten for those that do not.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    outDir: path.join(root, 'dist/viewer'),
    emptyOutDir: true,
    sourcemap: true,
    // The content security policy allows neither inline scripts nor data: modules.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
  },
  worker: { format: 'es', plugins: thirdParty.worker },
})
