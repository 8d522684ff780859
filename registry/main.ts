import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import { parseArgs } from 'node:util'
import { ProtocolError } from '#protocol/errors.ts'
import { configSchema, readRegistryConfig } from './config.ts'
import { createLog } from './log.ts'
import { createRegistry } from './registry.ts'

const usage = `usage: npm run registry -- --config FILE    run the registry
       npm run registry -- --schema         print the JSON Schema of FILE`

/** Runs until it is told to stop. One line on standard output says that everything is ready. */
async function run(configFile: string, signal: AbortSignal): Promise<void> {
  const config = await readRegistryConfig(configFile)
  await using registry = await createRegistry(config, {
    clock: Date.now,
    log: createLog('registry'),
  })
  console.log(JSON.stringify({ ready: true, http: registry.url, peerId: registry.peerId }))
  // Whoever starts next gains by it; at the end, which may be a power cut, it would be too late.
  flushCompileCache()
  if (!signal.aborted) await once(signal, 'abort')
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
try {
  const { values } = parseArgs({
    options: { config: { type: 'string' }, schema: { type: 'boolean', default: false } },
  })
  if (values.schema) console.log(JSON.stringify(configSchema(), null, 2))
  else if (values.config === undefined) throw new ProtocolError('configuration_invalid', usage)
  else await run(values.config, stop.signal)
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const isUsage = code.startsWith('ERR_PARSE') || code === 'configuration_invalid'
  console.error(isUsage && error instanceof Error ? error.message : error)
  process.exitCode = isUsage ? 2 : 1
}
