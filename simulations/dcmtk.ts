import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { RegionNode } from './region-file.ts'

const run = promisify(execFile)

/**
 * Sends files with dcmtk's `storescu`, proposing each file's own transfer syntax. Nagle's algorithm is off in the
 * client: with it, delayed acknowledgements make every figure meaningless.
 */
export async function storescu(
  { dimse }: Pick<RegionNode, 'dimse'>,
  files: readonly string[],
  options: { syntax?: string; callingAe?: string; tls?: boolean } = {},
): Promise<{ code: number; output: string }> {
  const tls = options.tls === true ? dimse.tls : undefined
  const args = [
    '-v',
    ...(options.syntax === undefined ? [] : [options.syntax]),
    ...(tls === undefined ? [] : ['+tla', '+cf', tls.certificateFile]),
    '-aet',
    options.callingAe ?? 'STORESCU',
    '-aec',
    dimse.aeTitle,
    dimse.host,
    String(tls?.port ?? dimse.port),
    ...files,
  ]
  try {
    const { stdout, stderr } = await run('storescu', args, {
      env: { ...process.env, TCP_NODELAY: '1' },
      maxBuffer: 64 * 1024 * 1024,
    })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string }
    return { code: code ?? 1, output: `${stdout ?? ''}${stderr ?? ''}` }
  }
}
