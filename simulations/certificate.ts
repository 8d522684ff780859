import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'

/** What a node of the demo region shows on its TLS port: a certificate that signed itself, for loopback. */
export const dimseKeyFile = (dataDir: string, key: string) => path.join(dataDir, key, 'dimse.key')
export const dimseCertificateFile = (dataDir: string, key: string) =>
  path.join(dataDir, key, 'dimse.crt')

const validDays = 365
const day = 86_400_000

/** Makes what is missing and keeps what is there: peers may have pinned it. */
export async function ensureCertificate(options: {
  dataDir: string
  key: string
  now: number
}): Promise<void> {
  const { dataDir, key, now } = options
  const [certificateFile, keyFile] = [
    dimseCertificateFile(dataDir, key),
    dimseKeyFile(dataDir, key),
  ]
  if (existsSync(certificateFile)) return
  const made = selfSigned(key, now)
  await writeFile(keyFile, made.key, { mode: 0o600 })
  await writeFile(certificateFile, made.certificate)
}

/** Key and certificate as PEM (RFC 5280 §4.1): Node signs, but writes no certificates. */
export function selfSigned(name: string, now: number): { key: string; certificate: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = sequence(der(0x31, sequence(oid.commonName, der(0x0c, Buffer.from(name)))))
  // 127.0.0.1 and localhost.
  const names = sequence(der(0x87, Buffer.of(127, 0, 0, 1)), der(0x82, Buffer.from('localhost')))
  const extensions = sequence(sequence(oid.subjectAltName, der(0x04, names)))
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    // Positive, and never zero.
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    sequence(oid.ecdsaWithSha256),
    subject,
    sequence(time(now - day), time(now + validDays * day)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = der(0x03, Buffer.of(0), sign('sha256', body, privateKey))
  const certificate = sequence(body, sequence(oid.ecdsaWithSha256), signature)
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: pem(certificate),
  }
}

/** One value with its tag and length (X.690 §8.1). */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

const sequence = (...parts: Uint8Array[]): Buffer => der(0x30, ...parts)

const oid = {
  ecdsaWithSha256: der(0x06, Buffer.from('2a8648ce3d040302', 'hex')),
  commonName: der(0x06, Buffer.from('550403', 'hex')),
  subjectAltName: der(0x06, Buffer.from('551d11', 'hex')),
}

/** UTCTime, as is required until 2049. */
const time = (at: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`))

const pem = (bytes: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replaceAll(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`
