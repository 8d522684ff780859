import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { ProtocolError } from '#protocol/errors.ts'
import { readRegistryConfig } from './config.ts'
import { createLog } from './log.ts'
import { createRegistry } from './registry.ts'

/** `npm run registry -- --config FILE`: runs until SIGINT or SIGTERM. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } })
  if (values.config === undefined) {
    throw new ProtocolError('configuration_invalid', 'say which configuration: --config FILE')
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const config = await readRegistryConfig(values.config)
  const log = createLog('registry')
  await using registry = await createRegistry(config, { clock: Date.now, log })
  const { peerId, url } = registry
  process.stdout.write(`${JSON.stringify({ ready: true, http: url, peerId })}\n`)
  if (!stop.signal.aborted) await once(stop.signal, 'abort')
}

main().catch((error: unknown) => {
  const isConfiguration = error instanceof ProtocolError && error.code === 'configuration_invalid'
  process.stderr.write(`${isConfiguration ? error.message : String(error)}\n`)
  process.exitCode = isConfiguration ? 2 : 1
})
