import { pino, type Logger } from 'pino'

export type Log = Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>

/** Diagnostics as JSON lines on standard error: organizations, codes and counts, never names of people. */
export function createLog(name: string, level = process.env['CAMI_LOG'] ?? 'info'): Log {
  return pino({ name, level }, process.stderr)
}

export const silentLog: Log = pino({ level: 'silent' })
