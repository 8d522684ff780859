import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { flushCompileCache } from 'node:module'
import { parseArgs } from 'node:util'
import { ProtocolError } from '#protocol/errors.ts'
import { hostMonotonic } from './access/time.ts'
import { backUp } from './archive/backup.ts'
import { configSchema, NodeConfig, readConfig } from './config.ts'
import { createLog } from './log.ts'
import { createNode } from './node.ts'

const usage = `usage: npm run node -- --config FILE    run the node of one organization
       npm run node -- --config FILE --backup DIR    copy its data, also while it runs
       npm run node -- --schema         print the JSON Schema of FILE`

/** Runs until it is told to stop. One line on standard output says that everything is ready. */
async function run(configFile: string, signal: AbortSignal): Promise<void> {
  const config = await readConfig(configFile, NodeConfig)
  const log = createLog('node')
  await using node = await createNode(config, {
    log,
    clock: Date.now,
    monotonic: hostMonotonic(randomBytes),
    random: randomBytes,
  })
  console.log(JSON.stringify({ ready: true, ...node.ready }))
  // Whoever starts next gains by it; at the end, which may be a power cut, it would be too late.
  flushCompileCache()
  if (!signal.aborted) await Promise.race([once(signal, 'abort'), node.failed])
}

/** The copy is a data folder: a node whose `dataDir` it is starts with it. */
async function copyData(configFile: string, folder: string): Promise<void> {
  const config = await readConfig(configFile, NodeConfig)
  console.log(JSON.stringify(await backUp(config.dataDir, folder, createLog('backup'))))
}

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())
try {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      backup: { type: 'string' },
      schema: { type: 'boolean', default: false },
    },
  })
  if (values.schema) console.log(JSON.stringify(configSchema(), null, 2))
  else if (values.config === undefined) throw new ProtocolError('configuration_invalid', usage)
  else if (values.backup !== undefined) await copyData(values.config, values.backup)
  else await run(values.config, stop.signal)
} catch (error) {
  const isUsage =
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE')
  const isWrong = error instanceof ProtocolError && error.code === 'configuration_invalid'
  console.error(isUsage || isWrong ? error.message : error)
  process.exitCode = isUsage || isWrong ? 2 : 1
}
