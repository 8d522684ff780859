import { render } from 'preact'
import { App } from './app.tsx'
import { createDecoderPool } from './imaging/decoder-pool.ts'
import { watchActivity } from './parts/activity.ts'
import { createAppState } from './parts/app-state.ts'

const workers = Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) - 1))
const decoders = createDecoderPool(
  () =>
    new Worker(new URL('./imaging/decode.worker.ts', import.meta.url), {
      type: 'module',
      name: 'decoder',
    }),
  workers,
)
const idleMs = watchActivity(globalThis, () => performance.now())
const root = document.getElementById('app')
if (root !== null)
  render(<App state={createAppState({ decoders, storage: localStorage, idleMs })} />, root)
