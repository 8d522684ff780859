import { render } from 'preact'
import { App } from './app.tsx'
import { createDesk } from './desk.ts'

const root = document.getElementById('app')
if (root !== null) render(<App desk={createDesk(localStorage)} />, root)
