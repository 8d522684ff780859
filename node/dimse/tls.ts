import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import {
  connect,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls'
import { ProtocolError } from '#protocol/errors.ts'
import type { NodeConfig } from '../config.ts'
import type { Slot } from './connections.ts'
import type { DimseLimits } from './link.ts'
import { within } from './within.ts'

/**
 * TLS for DIMSE (PS3.15 §B.12, BCP 195): version 1.2 with forward secrecy and authenticated encryption, or 1.3. Whom a
 * client certificate names does not matter: its fingerprint stands in the register of devices.
 */
const versions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const
const ciphers = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':')

/** What is negotiated, and nothing else. */
export const tlsProfile = { ...versions, ciphers, honorCipherOrder: true } as const

/** What the node shows, and whose certificates it takes (PEM). */
export type TlsIdentity = { cert: string; key: string; ca?: string }

type TlsConfig = NonNullable<NodeConfig['dimse']['tls']>

export async function readTlsIdentity(config: TlsConfig): Promise<TlsIdentity> {
  const { certificateFile, keyFile, authorityFile } = config
  const [cert, key] = [await readPem(certificateFile), await readPem(keyFile)]
  if (authorityFile === undefined) return { cert, key }
  return { cert, key, ca: await readPem(authorityFile) }
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new ProtocolError('configuration_invalid', `cannot read ${file}: check the path`, {
      cause,
    })
  }
}

const contextOf = ({ cert, key, ca }: TlsIdentity): SecureContextOptions => ({
  ...tlsProfile,
  cert,
  key,
  ...(ca !== undefined && { ca }),
})

/** SHA-256 of a certificate as registers write it: 64 hexadecimal digits. */
export const fingerprintOf = (certificate: X509Certificate): string =>
  certificate.fingerprint256.replaceAll(':', '').toLowerCase()

export type TlsServerDeps = {
  identity: TlsIdentity
  /** The socket counts from its first byte, long before anybody knows whose it is. */
  enter: (socket: Socket) => Slot
  onSecure: (socket: TLSSocket, slot: Slot, certificate: string | undefined) => void
  limits: Pick<DimseLimits, 'associationTimeoutMs' | 'responseQueueBytes'>
}

/** A server that hands on sockets whose handshake is done; it is not listening yet. */
export function createTlsServer({ identity, enter, onSecure, limits }: TlsServerDeps): Server {
  const slots = new Map<string, Slot>()
  const keyOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
  let server: Server
  try {
    server = createServer({
      ...contextOf(identity),
      requestCert: true,
      // A certificate is judged by the register; with an authority also by that, below.
      rejectUnauthorized: false,
      handshakeTimeout: limits.associationTimeoutMs,
      noDelay: true,
      keepAlive: true,
      highWaterMark: limits.responseQueueBytes,
    })
  } catch (cause) {
    throw new ProtocolError('configuration_invalid', 'dimse.tls: certificate and key do not fit', {
      cause,
    })
  }
  server.on('connection', (socket: Socket) => {
    const key = keyOf(socket)
    const slot = enter(socket)
    slots.set(key, slot)
    socket.once('close', () => {
      slot.leave()
      if (slots.get(key) === slot) slots.delete(key)
    })
  })
  server.on('secureConnection', (socket) => {
    const slot = slots.get(keyOf(socket))
    const certificate = socket.getPeerX509Certificate()
    const isStranger = identity.ca !== undefined && certificate !== undefined && !socket.authorized
    if (slot === undefined || isStranger) socket.destroy()
    else onSecure(socket, slot, certificate && fingerprintOf(certificate))
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

export type TlsPeer = {
  host: string
  port: number
  /** Pins the peer's certificate; without it an authority must have signed it for that host. */
  certificate?: string
}

/** Connects to a peer that listens with TLS; throws `unavailable`. */
export async function connectTls(
  { host, port, certificate }: TlsPeer,
  identity: TlsIdentity | undefined,
  limits: Pick<DimseLimits, 'connectTimeoutMs'>,
): Promise<TLSSocket> {
  const socket = connect({
    ...versions,
    ciphers,
    ...identity,
    host,
    port,
    rejectUnauthorized: certificate === undefined,
  })
  socket.setNoDelay(true)
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', () => resolve())
    socket.once('error', reject)
  })
  try {
    await within(opened, limits.connectTimeoutMs)
    const shown = socket.getPeerX509Certificate()
    if (
      certificate !== undefined &&
      (shown === undefined || fingerprintOf(shown) !== certificate)
    ) {
      throw new ProtocolError('forbidden', 'the peer shows another certificate')
    }
    return socket
  } catch (cause) {
    socket.destroy()
    throw new ProtocolError('unavailable', `no TLS connection to ${host}:${port}`, { cause })
  }
}
