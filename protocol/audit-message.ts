import { z } from 'zod'
import type { AuditEvent } from './audit-event.ts'

/** A concept of a coding scheme, as PS3.15 §A.5 writes it. */
export type Code = readonly [code: string, system: string, text: string]
const dcm = (code: string, text: string): Code => [code, 'DCM', text]
/** What no scheme has a code for: grants, epochs, reasons of refusals. */
export const privateCode = (code: string): Code => [code, '99CAMI', code.replaceAll(/[-_]/g, ' ')]

/** PS3.16 CID 400 and 401. */
export const auditCodes = {
  applicationActivity: dcm('110100', 'Application Activity'),
  auditLogUsed: dcm('110101', 'Audit Log Used'),
  beginTransferring: dcm('110102', 'Begin Transferring DICOM Instances'),
  instancesAccessed: dcm('110103', 'DICOM Instances Accessed'),
  instancesTransferred: dcm('110104', 'DICOM Instances Transferred'),
  studyDeleted: dcm('110105', 'DICOM Study Deleted'),
  import: dcm('110107', 'Import'),
  orderRecord: dcm('110109', 'Order Record'),
  patientRecord: dcm('110110', 'Patient Record'),
  procedureRecord: dcm('110111', 'Procedure Record'),
  query: dcm('110112', 'Query'),
  securityAlert: dcm('110113', 'Security Alert'),
  userAuthentication: dcm('110114', 'User Authentication'),
  applicationStart: dcm('110120', 'Application Start'),
  applicationStop: dcm('110121', 'Application Stop'),
  login: dcm('110122', 'Login'),
  logout: dcm('110123', 'Logout'),
  nodeAuthentication: dcm('110126', 'Node Authentication'),
  emergencyOverrideStarted: dcm('110127', 'Emergency Override Started'),
  securityConfiguration: dcm('110129', 'Security Configuration'),
  restrictedFunction: dcm('110132', 'Use of Restricted Function'),
  emergencyOverrideStopped: dcm('110138', 'Emergency Override Stopped'),
  application: dcm('110150', 'Application'),
  destinationRole: dcm('110152', 'Destination Role ID'),
  sourceRole: dcm('110153', 'Source Role ID'),
  studyInstanceUid: dcm('110180', 'Study Instance UID'),
} as const

export type AuditMessage = {
  event: Code
  types?: readonly Code[]
  /** Create, read, update, delete, execute. */
  action: 'C' | 'R' | 'U' | 'D' | 'E'
  at: number
  outcome: 'success' | 'denied' | 'failure'
  participants: readonly AuditParticipant[]
  source: { site: string; id: string }
  objects: readonly AuditObject[]
}
export type AuditParticipant = {
  user: string
  isRequestor: boolean
  roles: readonly Code[]
  /** Machine or address. */
  from?: string
}
export type AuditObject = {
  id: string
  idType: Code
  /** ParticipantObjectTypeCode and its role (PS3.15 §A.5.1.2). */
  type: 1 | 2 | 3 | 4
  role: number
  name: string
  details?: Readonly<Record<string, string | number | undefined>>
}

const indicators = { success: 0, denied: 4, failure: 8 } as const

/** The XML of the DICOM audit message schema (PS3.15 §A.5.1); the order of elements is the schema's. */
export function auditXml(message: AuditMessage): string {
  const { event, types = [], action, at, outcome, participants, source, objects } = message
  const identification = {
    EventActionCode: action,
    EventDateTime: new Date(at).toISOString(),
    EventOutcomeIndicator: indicators[outcome],
  }
  return [
    '<?xml version="1.0" encoding="UTF-8"?><AuditMessage>',
    element('EventIdentification', identification, [
      coded('EventID', event),
      ...types.map((type) => coded('EventTypeCode', type)),
    ]),
    ...participants.map(participantXml),
    element(
      'AuditSourceIdentification',
      { AuditEnterpriseSiteID: source.site, AuditSourceID: source.id },
      [element('AuditSourceTypeCode', { 'csd-code': 4 })],
    ),
    ...objects.map(objectXml),
    '</AuditMessage>',
  ].join('')
}

function participantXml({ user, isRequestor, roles, from }: AuditParticipant): string {
  const place = from !== undefined &&
    from !== '' && {
      NetworkAccessPointID: from,
      NetworkAccessPointTypeCode: /^[0-9.]+$|:/.test(from) ? 2 : 1,
    }
  return element(
    'ActiveParticipant',
    { UserID: user, UserIsRequestor: isRequestor, ...(place !== false && place) },
    roles.map((role) => coded('RoleIDCode', role)),
  )
}

function objectXml({ id, idType, type, role, name, details = {} }: AuditObject): string {
  const known = Object.entries(details).filter(([, value]) => value !== undefined && value !== '')
  return element(
    'ParticipantObjectIdentification',
    {
      ParticipantObjectID: id,
      ParticipantObjectTypeCode: type,
      ParticipantObjectTypeCodeRole: role,
    },
    [
      coded('ParticipantObjectIDTypeCode', idType),
      `<ParticipantObjectName>${escaped(name)}</ParticipantObjectName>`,
      ...known.map(([key, value]) =>
        element('ParticipantObjectDetail', { type: key, value: base64(String(value)) }),
      ),
    ],
  )
}

const coded = (name: string, [code, system, text]: Code): string =>
  element(name, { 'csd-code': code, codeSystemName: system, originalText: text })

function element(
  name: string,
  attributes: Readonly<Record<string, string | number | boolean>>,
  children: readonly string[] = [],
): string {
  const pairs = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${escaped(String(value))}"`,
  )
  const open = `<${name}${pairs.join('')}`
  return children.length === 0 ? `${open}/>` : `${open}>${children.join('')}</${name}>`
}

/** XML 1.0 has no form for control characters, escaped or not. */
// oxlint-disable-next-line no-control-regex -- these are the ones
const impossible = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g
const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escaped = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(impossible, '\ufffd')
    .replaceAll(/[&<>"]/g, (found) => names[found] ?? '')
    .replaceAll(/[\t\n\r]/g, (found) => `&#${found.charCodeAt(0)};`)

const base64 = (text: string): string =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''))

type Kind = Pick<AuditMessage, 'event' | 'action'> & { types?: readonly Code[] }
const { applicationActivity, userAuthentication, instancesAccessed, securityAlert } = auditCodes
const own = (name: string): Kind => ({ event: privateCode(name), action: 'E' })

/** What each record of a node is in the vocabulary of PS3.15. */
const kinds: Record<AuditEvent['event'], Kind> = {
  'application-start': {
    event: applicationActivity,
    types: [auditCodes.applicationStart],
    action: 'E',
  },
  'application-stop': {
    event: applicationActivity,
    types: [auditCodes.applicationStop],
    action: 'E',
  },
  login: { event: userAuthentication, types: [auditCodes.login], action: 'E' },
  logout: { event: userAuthentication, types: [auditCodes.logout], action: 'E' },
  query: { event: auditCodes.query, action: 'E' },
  'audit-log-used': { event: auditCodes.auditLogUsed, action: 'R' },
  'study-opened': { event: instancesAccessed, action: 'R' },
  'instances-accessed': { event: instancesAccessed, action: 'R' },
  'begin-transferring': { event: auditCodes.beginTransferring, action: 'E' },
  'instances-transferred': { event: auditCodes.instancesTransferred, action: 'R' },
  import: { event: auditCodes.import, action: 'C' },
  // Hidden and audited, not erased (IOCM): for whoever reads studies it is gone.
  'study-rejected': { event: auditCodes.studyDeleted, action: 'D' },
  correction: { event: instancesAccessed, action: 'U' },
  'patient-merge': { event: auditCodes.patientRecord, action: 'U' },
  'quarantine-release': own('quarantine-release'),
  'order-record': { event: auditCodes.orderRecord, action: 'U' },
  'procedure-record': { event: auditCodes.procedureRecord, action: 'U' },
  'security-alert': { event: securityAlert, action: 'E' },
  'grant-requested': own('grant-requested'),
  'grant-revoked': own('grant-revoked'),
  'epoch-accepted': own('epoch-accepted'),
  'emergency-started': {
    event: securityAlert,
    types: [auditCodes.emergencyOverrideStarted],
    action: 'E',
  },
  'emergency-stopped': {
    event: securityAlert,
    types: [auditCodes.emergencyOverrideStopped],
    action: 'E',
  },
  'emergency-reviewed': own('emergency-reviewed'),
  configuration: { event: securityAlert, types: [auditCodes.securityConfiguration], action: 'E' },
}

const authenticationCodes: readonly string[] = [
  'peer_unknown',
  'peer_mismatch',
  'peer_suspended',
  'unauthenticated',
]
const functionCodes: readonly string[] = ['role_missing', 'forbidden', 'user_disabled']

/** A reason has a code of its own beside the standard's. */
function reasonsOf({ code, event }: AuditEvent): Code[] {
  if (code === undefined) return []
  if (event !== 'security-alert') return [privateCode(code)]
  if (authenticationCodes.includes(code)) return [auditCodes.nodeAuthentication, privateCode(code)]
  if (functionCodes.includes(code)) return [auditCodes.restrictedFunction, privateCode(code)]
  return [privateCode(code)]
}

/** One record of a node's audit, told by the node of `organization`. */
export function messageOf(record: AuditEvent, organization: string): AuditMessage {
  const { event, types = [], action } = kinds[record.event]
  return {
    event,
    action,
    types: [...types, ...reasonsOf(record)],
    at: record.at,
    outcome: record.outcome,
    participants: participantsOf(record),
    source: { site: organization, id: `${organization} node` },
    objects: objectsOf(record, organization),
  }
}

function participantsOf(record: AuditEvent): AuditParticipant[] {
  const { user, role, source, organization, holder, event } = record
  const isTransfer = event === 'begin-transferring' || event === 'instances-transferred'
  const roles = role === '' ? [] : [privateCode(role)]
  const who: AuditParticipant = {
    user: user === '' ? organization : user,
    isRequestor: true,
    roles: user === '' && role === '' ? [auditCodes.application] : roles,
    from: source,
  }
  if (!isTransfer) return [who]
  return [
    { user: holder, isRequestor: false, roles: [auditCodes.sourceRole] },
    { user: organization, isRequestor: false, roles: [auditCodes.destinationRole] },
    who,
  ]
}

function objectsOf(record: AuditEvent, organization: string): AuditObject[] {
  const { seq, study, grant, assertion, holder, detail, instances, bytes } = record
  const about = { organization: record.organization, holder, detail, instances, bytes, assertion }
  const found: AuditObject[] = [
    {
      id: `${organization}/${seq}`,
      idType: privateCode('audit-record'),
      type: 2,
      role: 13,
      name: 'audit record',
      details: about,
    },
  ]
  if (study !== undefined) {
    const idType = auditCodes.studyInstanceUid
    found.push({ id: study, idType, type: 2, role: 3, name: 'study', details: { instances } })
  }
  if (grant !== undefined) {
    found.push({ id: grant, idType: privateCode('grant'), type: 2, role: 14, name: 'grant' })
  }
  return found
}

/** Where audit records are sent: syslog over TLS (RFC 5425). */
export const AuditExportConfig = z.strictObject({
  host: z.string().min(1).max(253),
  port: z.int().min(1).max(65_535).default(6514),
  /** Whose certificate the receiver has (PEM). */
  authorityFile: z.string().min(1),
  /** Of the receiver's certificate, when it is not `host`. */
  serverName: z.string().min(1).max(253).exactOptional(),
  /** What we show when the receiver asks for a certificate (PEM). */
  certificateFile: z.string().min(1).exactOptional(),
  keyFile: z.string().min(1).exactOptional(),
})
export type AuditExportConfig = z.infer<typeof AuditExportConfig>

/** How sending goes. */
export type AuditExportStatus = {
  isConnected: boolean
  /** Records that have been written to the receiver in this connection or are known to have arrived. */
  sent: number
  /** What a restart begins after. */
  confirmed: number
  /** Records that wait. */
  waiting: number
  /** Connections that failed since the start. */
  failures: number
}

/** One message of RFC 5424 in the frame of RFC 5425: its length in bytes, a space, itself. */
export function syslogFrame(message: {
  at: number
  isAlert: boolean
  host: string
  program: string
  seq: number
  xml: string
}): Uint8Array {
  const { at, isAlert, host, program, seq, xml } = message
  // Facility 10: security. RFC 5424 lets a sequence number be at most 2^31 - 1.
  const priority = 10 * 8 + (isAlert ? 4 : 5)
  const id = `[meta sequenceId="${seq % 2_147_483_648}"]`
  const name = host.replaceAll(/[^\x21-\x7e]/g, '').slice(0, 255) || '-'
  const header = `<${priority}>1 ${new Date(at).toISOString()} ${name} ${program} - DICOM+RFC3881 ${id}`
  const text = new TextEncoder().encode(`${header} \ufeff${xml}`)
  const length = new TextEncoder().encode(`${text.byteLength} `)
  const frame = new Uint8Array(length.byteLength + text.byteLength)
  frame.set(length)
  frame.set(text, length.byteLength)
  return frame
}
