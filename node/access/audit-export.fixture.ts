import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A self-signed certificate for loopback, made by openssl. */
export async function makeCertificate(dir: string, name: string) {
  const [certificateFile, keyFile] = [path.join(dir, `${name}.crt`), path.join(dir, `${name}.key`)]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const files = ['-keyout', keyFile, '-out', certificateFile, '-days', '30']
  await run('openssl', ['req', '-x509', ...key, ...subject, ...files])
  return { certificateFile, keyFile }
}

/** A syslog receiver that reads frames of RFC 5425, and can go away. */
export async function startReceiver(
  identity: { certificateFile: string; keyFile: string },
  { port = 0, client }: { port?: number; client?: string } = {},
) {
  const frames: string[] = []
  const sockets = new Set<TLSSocket>()
  const state = { isReading: true, cutAfter: Infinity, malformed: 0 }
  const options = {
    cert: await readFile(identity.certificateFile),
    key: await readFile(identity.keyFile),
    ...(client !== undefined && {
      requestCert: true,
      rejectUnauthorized: true,
      ca: await readFile(client),
    }),
  }
  const server = createServer(options, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    let rest: Buffer = Buffer.alloc(0)
    socket.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes])
      for (;;) {
        const space = rest.indexOf(0x20)
        if (space < 0) return
        const length = Number(rest.toString('latin1', 0, space))
        if (!Number.isInteger(length) || length <= 0) {
          state.malformed += 1
          socket.destroy()
          return
        }
        if (rest.byteLength < space + 1 + length) return
        frames.push(rest.toString('utf8', space + 1, space + 1 + length))
        rest = rest.subarray(space + 1 + length)
        if (frames.length >= state.cutAfter) {
          state.cutAfter = Infinity
          socket.destroy()
          return
        }
      }
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    frames,
    state,
    port: (server.address() as AddressInfo).port,
    sequence: () => frames.map((frame) => Number(/sequenceId="(\d+)"/.exec(frame)?.[1])),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close').catch(() => undefined)
    },
  }
}
export type Receiver = Awaited<ReturnType<typeof startReceiver>>

export type XmlNode = {
  name: string
  attributes: Record<string, string>
  children: XmlNode[]
  text: string
}

/** Reads XML strictly: what is not well-formed throws. Enough for messages without comments and entities of their own. */
export function parseXml(text: string): XmlNode {
  const root: XmlNode = { name: '', attributes: {}, children: [], text: '' }
  const open = [root]
  const body = text.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>/, '')
  const token = /<(\/?)([A-Za-z]+)((?: [A-Za-z-]+="[^"<]*")*)(\/?)>|([^<]+)/gy
  let end = 0
  for (const found of body.matchAll(token)) {
    end = found.index + found[0].length
    const [, isEnd, name = '', attributes = '', isEmpty, characters] = found
    const parent = open.at(-1)
    if (parent === undefined) throw new Error('more ends than beginnings')
    if (characters !== undefined) parent.text += plain(characters)
    else if (isEnd === '/') {
      if (open.pop()?.name !== name) throw new Error(`</${name}> ends something else`)
    } else {
      const pairs = [...attributes.matchAll(/ ([A-Za-z-]+)="([^"]*)"/g)]
      const keys = pairs.map(([, key = '']) => key)
      if (new Set(keys).size !== keys.length) throw new Error('an attribute twice')
      const node: XmlNode = {
        name,
        attributes: Object.fromEntries(
          pairs.map(([, key = '', value = '']) => [key, plain(value)]),
        ),
        children: [],
        text: '',
      }
      parent.children.push(node)
      if (isEmpty !== '/') open.push(node)
    }
  }
  const [only] = root.children
  if (end !== body.length || open.length !== 1 || only === undefined || root.children.length > 1) {
    throw new Error(`not well-formed at ${end}: ${body.slice(end, end + 40)}`)
  }
  return only
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"' }
const plain = (text: string): string => {
  // oxlint-disable-next-line no-control-regex -- XML 1.0 has no form for them
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text)) throw new Error('a control character')
  if (/&(?!(amp|lt|gt|quot|#\d+);)/.test(text)) throw new Error('a bare ampersand')
  return text.replaceAll(/&(?:#(\d+)|(\w+));/g, (_, number, name) =>
    number === undefined ? (entities[String(name)] ?? '') : String.fromCharCode(Number(number)),
  )
}
