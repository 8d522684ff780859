import { readFile } from 'node:fs/promises'
import { ProtocolError } from '#protocol/errors.ts'
import { createSigner } from '#protocol/jws.ts'
import { readPrivateKey, type NodeConfig } from './config.ts'

/** Who this node is: its keys, and what the operator and the authority have signed of it. */
export async function readIdentity(config: NodeConfig) {
  const key = await readPrivateKey(config.keyFile)
  return {
    key,
    signer: await createSigner(key),
    ...(config.witnessKeyFile !== undefined && {
      witnessKey: await readPrivateKey(config.witnessKeyFile),
    }),
    credential: await readToken(config.credentialFile),
    trustList: await readToken(config.trustListFile),
  }
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    const advice = `cannot read ${file}: ask the operator for it, or check the path`
    throw new ProtocolError('configuration_invalid', advice, { cause })
  }
}
