import { pino, type Logger } from 'pino'

export type Log = Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>

/** Diagnostics as JSON lines on standard error. Callers pass codes and counts, never names or identifiers of patients. */
export function createLog(name: string, level = process.env['CAMI_LOG'] ?? 'info'): Log {
  return pino(
    {
      name,
      level,
      redact: ['*.patient', '*.password', '*.token', '*.cookie', '*.authorization', '*.key.d'],
    },
    process.stderr,
  )
}

export const silentLog: Log = pino({ level: 'silent' })
