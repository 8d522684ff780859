import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { freePort, missingProgram, startPeer, type PeerProcess } from './peer-process.ts'

/** Debian's Orthanc: its own defaults, and only what lets it run here and be asked (names, ports, folders, permissions). */
export type Orthanc = PeerProcess & {
  readonly url: string
  readonly dimse: { host: string; port: number; aeTitle: string }
}

const plugins = '/usr/share/orthanc/plugins'

export const orthancMissing = (): string | undefined => missingProgram('Orthanc')

/** `orthanc 1.10.1`. */
export function orthancName(): string {
  try {
    const text = execFileSync('Orthanc', ['--version'], { encoding: 'utf8' })
    return `orthanc ${/^Orthanc (\S+)/.exec(text)?.[1]?.replace(/\+dfsg$/, '') ?? ''}`.trim()
  } catch {
    return 'orthanc'
  }
}

type OrthancOptions = {
  /** A destination of C-MOVE by its AE title. */
  moveTo?: { aeTitle: string; port: number }
  dicomPort?: number
  /** Further settings, by Orthanc's names. */
  settings?: Readonly<Record<string, unknown>>
}

export async function startOrthanc(
  dir: string,
  { moveTo, dicomPort, settings = {} }: OrthancOptions = {},
): Promise<Orthanc> {
  await mkdir(dir, { recursive: true })
  const [dicom, http] = [dicomPort ?? (await freePort()), await freePort()]
  const config = {
    Name: 'bench',
    StorageDirectory: path.join(dir, 'storage'),
    IndexDirectory: path.join(dir, 'index'),
    Plugins: existsSync(plugins) ? [plugins] : [],
    DicomAet: 'ORTHANC',
    DicomPort: dicom,
    HttpPort: http,
    DicomAlwaysAllowFind: true,
    DicomAlwaysAllowGet: true,
    DicomAlwaysAllowMove: true,
    ...(moveTo !== undefined && {
      DicomModalities: { destination: [moveTo.aeTitle, '127.0.0.1', moveTo.port] },
    }),
    DicomWeb: { Enable: true, Root: '/dicom-web/', EnableWado: true, WadoRoot: '/wado' },
    ...settings,
  }
  const file = path.join(dir, 'orthanc.json')
  await writeFile(file, JSON.stringify(config))
  const logFile = path.join(dir, 'orthanc.log')
  const peer = await startPeer('Orthanc', [file], { port: http, logFile })
  return {
    pid: peer.pid,
    url: `http://127.0.0.1:${http}`,
    dimse: { host: '127.0.0.1', port: dicom, aeTitle: 'ORTHANC' },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  }
}
