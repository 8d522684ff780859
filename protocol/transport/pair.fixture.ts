import { generateKeyPairSync } from 'node:crypto'
import type { PeerIdString, PrivateJwk } from '../ids.ts'
import { createHost } from './host.ts'
import { peerIdOf } from './peer-key.ts'
import type { Connection, Host, HostOptions, TransportLimits } from './transport.ts'

export function newKey(): PrivateJwk {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as PrivateJwk
}

export const loopback = ['/ip4/127.0.0.1/tcp/0']

/** Deadlines short enough for a test, long enough for a busy machine. */
export const testLimits: Partial<TransportLimits> = {
  helloTimeoutMs: 2000,
  dialTimeoutMs: 4000,
  closeTimeoutMs: 300,
}

export type Side = Partial<Omit<HostOptions, 'key' | 'listen' | 'clock'>>

/** A host on loopback; it allows everybody unless told otherwise. */
export function startHost(side: Side = {}, key = newKey()): Promise<Host> {
  return createHost({
    key,
    listen: loopback,
    isAllowed: () => true,
    clock: () => Date.now(),
    ...side,
    handlers: { hello: async () => ({ version: 1 }), ...side.handlers },
    limits: { ...testLimits, ...side.limits },
  })
}

export type Pair = AsyncDisposable & { a: Host; b: Host; link: Connection }

/** `a` has dialled `b`, and they have greeted. */
export async function startPair(a: Side = {}, b: Side = {}): Promise<Pair> {
  const dialler = await startHost(a)
  const listener = await startHost(b)
  const link = await dialler.connect(listener.peerId, listener.addresses())
  return {
    a: dialler,
    b: listener,
    link,
    async [Symbol.asyncDispose]() {
      await dialler[Symbol.asyncDispose]()
      await listener[Symbol.asyncDispose]()
    },
  }
}

/** Waits until something holds; a test that waits in vain fails with what it waited for. */
export async function until(what: string, holds: () => boolean, ms = 5000): Promise<void> {
  const deadline = performance.now() + ms
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`)
    await sleep(5)
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

export const peerOf = (key: PrivateJwk): PeerIdString =>
  peerIdOf({ kty: key.kty, crv: key.crv, x: key.x })
