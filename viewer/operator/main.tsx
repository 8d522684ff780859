import { render } from 'preact'
import { App } from './app.tsx'
import { watchActivity } from '../parts/activity.ts'
import { createDesk } from './desk.ts'

const root = document.getElementById('app')
const idleMs = watchActivity(globalThis, () => performance.now())
if (root !== null) render(<App desk={createDesk(localStorage, idleMs)} />, root)
