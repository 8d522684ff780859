import path from 'node:path'
import type { NodeConfig } from '../node/config.ts'
import { callingAeTitles, type Member, type NodePorts, type RegionPorts } from './layout.ts'
import type { Identities } from './identities.ts'

/** Configuration files of the programs of a region, exactly as an administrator would write them. */

const loopback = (port: number) => `/ip4/127.0.0.1/tcp/${port}`

export function nodeConfig(options: {
  dataDir: string
  member: Member
  at: NodePorts
  ports: RegionPorts
  identities: Identities
}): NodeConfig {
  const { dataDir, member, at, ports, identities } = options
  const home = path.join(dataDir, member.key)
  return {
    organization: { oid: member.oid, name: member.name },
    dataDir: home,
    keyFile: path.join(home, 'node-key.jwk'),
    credentialFile: path.join(home, 'credential.jwt'),
    trustListFile: path.join(dataDir, 'trust-list.jwt'),
    authority: identities.authority,
    http: {
      host: '127.0.0.1',
      port: at.http,
      cookieName: `cami-${member.key}`,
      secureCookie: false,
      allowedHosts: [`127.0.0.1:${at.http}`, `localhost:${at.http}`],
      viewerDir: path.resolve('dist/viewer'),
    },
    admin: { host: '127.0.0.1', port: at.admin },
    dimse: {
      host: '127.0.0.1',
      port: at.dimse,
      aeTitle: member.aeTitle,
      quarantineSubnets: ['127.0.0.0/8'],
    },
    devices: callingAeTitles.map((aeTitle) => ({
      id: `${member.key}-${aeTitle.toLowerCase()}`,
      aeTitle,
      addresses: ['127.0.0.1'],
      modality: 'OT',
      startDate: '2026-01-01',
    })),
    peer: {
      listen: [loopback(at.peer)],
      registry: [`${loopback(ports.registry.peer)}/p2p/${identities.registryPeerId}`],
    },
    storage: { freeFractionMin: 0.01, freeBytesMin: 256 * 1024 * 1024 },
    demo: true,
  }
}
