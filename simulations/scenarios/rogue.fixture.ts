import { readFile } from 'node:fs/promises'
import { ProtocolError } from '#protocol/errors.ts'
import type { PrivateJwk, StudyUid } from '#protocol/ids.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { Connection, Host } from '#protocol/transport/transport.ts'
import { readKeyFile } from '../../certs/key-file.ts'
import { credentialFile, nodeKeyFile } from '../identities.ts'

/** A program with a hospital's key that says what it likes. */
export async function rogueHost(dataDir: string, key: string): Promise<Host> {
  const credential = (await readFile(credentialFile(dataDir, key), 'utf8')).trim()
  return await hostWith(await readKeyFile(nodeKeyFile(dataDir, key)), credential)
}

/** One with any key, that greets with this credential. */
export async function hostWith(key: PrivateJwk, credential: string): Promise<Host> {
  return await createHost({
    key,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    isAllowed: () => true,
    handlers: {},
    hello: () => ({ version: 1, credential, addresses: [] }),
    clock: () => Date.now(),
  })
}

export async function readFrames(
  connection: Connection,
  { assertion, study }: { assertion: string; study: StudyUid },
): Promise<void> {
  await using stream = await connection.openFetch({ assertion, study, priority: 'interactive' })
  for await (const frame of stream.frames()) {
    if (frame.type === 'error') {
      throw new ProtocolError(frame.error.code, 'refused')
    }
  }
}
