import { writeSync } from 'node:fs'
import { openTestArchive } from '../archive/archive.fixture.ts'
import { startScp } from './scp.fixture.ts'

/** A process that receives into a real archive until it is killed; it tells its port on standard output. */
const [dir = ''] = process.argv.slice(2)
const archive = await openTestArchive(dir, { segmentBytes: 8_000_000, clock: Date.now })
const scp = await startScp({ archive })
writeSync(1, `${scp.port}\n`)
