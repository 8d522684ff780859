import { openAuditExport } from '#protocol/transport/audit-export.ts'
import { messageOf } from '#protocol/audit-message.ts'
import { silentLog } from '../log.ts'
import { openAuditLog } from './audit-log.ts'

/** A program that audits and exports until it is killed: `DIR PORT AUTHORITY FIRST LAST`. */
const [dir = '', port = '', authorityFile = '', count = ''] = process.argv.slice(2)
const audit = await openAuditLog(`${dir}/audit`, { clock: () => 1_795_000_000_000 })
await openAuditExport({
  config: { host: '127.0.0.1', port: Number(port), authorityFile, serverName: 'localhost' },
  program: 'cami-node',
  positionFile: `${dir}/exported`,
  log: silentLog,
  limits: { retryMs: 20, retryMsMax: 100, pollMs: 5, settleBytes: 4096, settleMs: 60_000 },
  source: {
    newest: audit.count,
    read: async (after, limit) =>
      (await audit.list({ after, limit })).map((record) => ({
        seq: record.seq,
        message: messageOf(record, '1.2.643.5.1.13.13.12.2.42.1001'),
      })),
  },
})
for (let i = 0; i < Number(count); i++) {
  await audit.append({
    event: 'query',
    outcome: 'success',
    organization: '1.2.643.5.1.13.13.12.2.42.1001',
    user: '',
    role: '',
    source: '127.0.0.1',
    holder: '1.2.643.5.1.13.13.12.2.42.1001',
    detail: `query ${i}`,
  })
  // oxlint-disable-next-line no-console -- the parent reads how many are on the disk
  console.log(audit.count())
}
setInterval(() => undefined, 1000)
