import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { deviceServices, type Device, type NodeConfig } from '../../node/config.ts'
import { loginsOf, seedAccounts } from '../accounts.ts'
import { orthancMissing, startOrthanc, type Orthanc } from '../bench/orthanc.ts'
import { prepareNode, startNode } from '../bench/own-node.ts'
import { freePort, startPeer } from '../bench/peer-process.ts'
import { signIn, type Client } from '../client.ts'
import type { RegionNode } from '../region-file.ts'
import { words } from './call.ts'

/** A node, and what stands around it: a receiver of C-MOVE, and Orthanc where it is installed. */
export type Stage = AsyncDisposable & {
  node: RegionNode
  reader: Client
  admin: Client
  tlsPort: number
  certificates: { cert: string; key: string }
  /** Takes everything and writes it down as it came. */
  receiver: { aeTitle: string; port: number; folder: string }
  /** Listening ports of the destinations that tools open themselves. */
  ports: { movescu: number; gdcm: number }
  orthanc: Orthanc | undefined
  scratch: string
}

const run = promisify(execFile)

async function makeCertificates(folder: string): Promise<Stage['certificates']> {
  const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')]
  await run('openssl', [
    ...words('req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2'),
    '-keyout',
    key,
    '-out',
    cert,
  ])
  return { cert, key }
}

const device = (aeTitle: string, port?: number): Device => ({
  id: aeTitle.toLowerCase(),
  aeTitle,
  addresses: ['127.0.0.1'],
  modality: 'OT',
  startDate: '2026-01-01',
  services: [...deviceServices],
  ...(port !== undefined && { port }),
})

type Around = {
  own: readonly Device[]
  orthancPort: number
  tlsPort: number
  certificates: Stage['certificates']
}

/** With TLS, with the devices of the stage, and with a route of mammograms to Orthanc. */
function configured(
  config: NodeConfig,
  { own, orthancPort, tlsPort, certificates }: Around,
): NodeConfig {
  const others = config.devices.filter((one) => own.every(({ aeTitle }) => aeTitle !== one.aeTitle))
  const { cert: certificateFile, key: keyFile } = certificates
  const to = { aeTitle: 'ORTHANC', host: '127.0.0.1', port: orthancPort }
  return {
    ...config,
    dimse: { ...config.dimse, tls: { port: tlsPort, certificateFile, keyFile } },
    devices: [...others, ...own],
    routes: [{ to, modalities: ['MG'], commitment: true }],
  }
}

export async function setStage(scratch: string): Promise<Stage> {
  await using stack = new AsyncDisposableStack()
  const folder = path.join(scratch, 'received')
  await mkdir(folder, { recursive: true })
  const certificates = await makeCertificates(scratch)
  const [receiverPort, orthancPort, tlsPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  const ports = { movescu: await freePort(), gdcm: await freePort() }
  const own = [
    device('RECEIVER', receiverPort),
    device('ORTHANC', orthancPort),
    device('MOVESCU', ports.movescu),
    device('GDCMSCU', ports.gdcm),
  ]
  const prepared = await prepareNode(scratch, (config) =>
    configured(config, { own, orthancPort, tlsPort, certificates }),
  )
  const started = stack.use(await startNode(prepared))
  const { key, oid, name } = prepared.member
  const accounts = loginsOf(await seedAccounts({ seed: 2, key, dataDir: scratch }))
  const administrator = accounts.find(({ role }) => role === 'mo_admin')
  if (administrator === undefined) throw new Error('no administrator')
  const admin = await signIn(started.url, administrator)
  const reader = await signIn(started.url, prepared.account)
  const logFile = path.join(scratch, 'receiver.log')
  const takes = ['+xa', '-pm', '+B', '+uf', '--fork', '-od', folder]
  stack.use(
    await startPeer('storescp', [...takes, String(receiverPort)], { port: receiverPort, logFile }),
  )
  const orthanc =
    orthancMissing() === undefined
      ? stack.use(await orthancFor(scratch, orthancPort, started, reader.token))
      : undefined
  const moved = stack.move()
  return {
    node: {
      key,
      organization: { oid, name },
      url: started.url,
      dicomweb: `${started.url}/dicom-web`,
      peerId: '',
      pid: started.pid,
      dimse: { ...started.dimse, callingAeTitles: ['STORESCU'] },
      accounts,
    },
    reader,
    admin,
    tlsPort,
    certificates,
    receiver: { aeTitle: 'RECEIVER', port: receiverPort, folder },
    ports,
    orthanc,
    scratch,
    [Symbol.asyncDispose]: async () => moved.disposeAsync(),
  }
}

const orthancFor = async (
  scratch: string,
  dicomPort: number,
  { dimse, url }: { dimse: { aeTitle: string; port: number }; url: string },
  token: string,
): Promise<Orthanc> =>
  startOrthanc(path.join(scratch, 'orthanc'), {
    dicomPort,
    settings: {
      DicomModalities: {
        cami: {
          AET: dimse.aeTitle,
          Host: '127.0.0.1',
          Port: dimse.port,
          AllowStorageCommitment: true,
        },
      },
      DicomWeb: {
        Enable: true,
        Root: '/dicom-web/',
        Servers: {
          cami: {
            Url: `${url}/dicom-web/`,
            HttpHeaders: { Authorization: `Bearer ${token}` },
          },
        },
      },
    },
  })
