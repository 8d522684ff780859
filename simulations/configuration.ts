import path from 'node:path'
import type { z } from 'zod'
import { deviceServices, type NodeConfig } from '../node/config.ts'
import type { RegistryConfig } from '../registry/config.ts'
import { accountsFile } from './accounts.ts'
import { dimseCertificateFile, dimseKeyFile } from './certificate.ts'
import {
  credentialFile,
  issuingKeyFile,
  logKeyFile,
  nodeKeyFile,
  registryKeyFile,
  trustListFile,
  witnessKeyFile,
  type Identities,
} from './identities.ts'
import { operatorsFile } from './operators.ts'
import {
  callingAeTitles,
  destinationAeTitle,
  type Member,
  type NodePorts,
  type RegionPorts,
} from './layout.ts'

/** Configuration files of the programs of a region, exactly as an administrator would write them. */

const loopback = (port: number) => `/ip4/127.0.0.1/tcp/${port}`

export function nodeConfig(options: {
  dataDir: string
  member: Member
  at: NodePorts
  ports: RegionPorts
  identities: Identities
  allowedOrigins?: readonly string[]
}): NodeConfig {
  const { dataDir, member, at, ports, identities, allowedOrigins = [] } = options
  const home = path.join(dataDir, member.key)
  return {
    organization: { oid: member.oid, name: member.name },
    dataDir: home,
    keyFile: nodeKeyFile(dataDir, member.key),
    ...(identities.witnesses.has(member.key) && {
      witnessKeyFile: witnessKeyFile(dataDir, member.key),
    }),
    credentialFile: credentialFile(dataDir, member.key),
    trustListFile: trustListFile(dataDir),
    authority: identities.authority,
    http: {
      host: '127.0.0.1',
      port: at.http,
      cookieName: `cami-${member.key}`,
      secureCookie: false,
      allowedHosts: [`127.0.0.1:${at.http}`, `localhost:${at.http}`],
      viewerDir: path.resolve('dist/viewer'),
      allowedOrigins: [...allowedOrigins],
      deletePolicy: 'reject',
    },
    admin: { host: '127.0.0.1', port: at.admin },
    dimse: {
      host: '127.0.0.1',
      port: at.dimse,
      aeTitle: member.aeTitle,
      quarantineSubnets: ['127.0.0.0/8'],
      tls: {
        port: at.dimseTls,
        certificateFile: dimseCertificateFile(dataDir, member.key),
        keyFile: dimseKeyFile(dataDir, member.key),
      },
    },
    devices: [...callingAeTitles, destinationAeTitle].map((aeTitle) => ({
      id: `${member.key}-${aeTitle.toLowerCase()}`,
      aeTitle,
      addresses: ['127.0.0.1'],
      modality: 'OT',
      startDate: '2026-01-01',
      services: [...deviceServices],
      ...(aeTitle === destinationAeTitle && { host: '127.0.0.1', port: at.destination }),
    })),
    peer: {
      listen: [loopback(at.peer)],
      registry: [`${loopback(ports.registry.peer)}/p2p/${identities.registryPeerId}`],
    },
    storage: {
      freeFractionMin: 0.01,
      freeBytesMin: 256 * 1024 * 1024,
      ballastBytes: 16 * 1024 * 1024,
    },
    accountsFile: accountsFile(dataDir, member.key),
    demo: true,
  }
}

export function registryConfig(options: {
  dataDir: string
  ports: RegionPorts
  identities: Identities
}): z.input<typeof RegistryConfig> {
  const { dataDir, ports, identities } = options
  return {
    dataDir: path.join(dataDir, 'registry'),
    keyFile: registryKeyFile(dataDir),
    issuerKeyFile: issuingKeyFile(dataDir),
    ...(identities.hasLog && { logKeyFile: logKeyFile(dataDir) }),
    trustListFile: trustListFile(dataDir),
    authority: identities.authority,
    http: {
      host: '127.0.0.1',
      port: ports.registry.http,
      cookieName: 'cami-registry',
      secureCookie: false,
      allowedHosts: [`127.0.0.1:${ports.registry.http}`, `localhost:${ports.registry.http}`],
    },
    peer: { listen: [loopback(ports.registry.peer)] },
    credentials: identities.credentialFiles,
    accountsFile: operatorsFile(dataDir),
  }
}
