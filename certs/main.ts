import { randomBytes } from 'node:crypto'
import { run } from './commands.ts'

process.exitCode = await run(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  clock: Date.now,
  random: (bytes) => Uint8Array.from(randomBytes(bytes)),
})
