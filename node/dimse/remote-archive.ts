import { ProtocolError } from '#protocol/errors.ts'
import { dimseLimits, remoteArchiveLimits } from '#protocol/limits.ts'
import type { Device } from '../config.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { vrOf } from '../dicom/dictionary.ts'
import { encodingOf, transferSyntaxes } from '../dicom/transfer-syntax.ts'
import { commandField, type Counts } from './command-set.ts'
import { targetOf } from './commitment.ts'
import { encodeDataSet } from './data-set-writer.ts'
import { readIdentifier } from './identifier.ts'
import { queryRetrieveLevel } from './query/models.ts'
import { openAssociation, type ScuAssociation, type Target } from './scu-association.ts'
import { isPending, isWarning, status } from './status.ts'
import { verification } from './syntaxes.ts'
import { encodersFor } from '../dicom/text-encoder.ts'

/** What is looked for in another archive; attributes by their tags. */
export type RemoteQuery = { level: 'STUDY' | 'SERIES'; match: Record<string, string> }
/** A study, or one series of it. */
export type RemoteObject = { study: string; series?: string }
export type RemoteWatch = { signal: AbortSignal; onProgress: (counts: Counts) => void }

/** Asks registered archives, as their user (PS3.4 §A, §C). Throws `unavailable` for one that is not there. */
export type RemoteArchives = {
  echo(device: Device): Promise<void>
  find(device: Device, query: RemoteQuery): Promise<{ matches: DicomJson[]; more: boolean }>
  /** Has the archive send to us; what came is filed by the rules of every reception. Throws `aborted` when given up. */
  move(device: Device, what: RemoteObject, watch: RemoteWatch): Promise<Counts>
}

/** What we are a user of. */
export const usedClasses = {
  echo: verification,
  find: '1.2.840.10008.5.1.4.1.2.2.1',
  move: '1.2.840.10008.5.1.4.1.2.2.2',
} as const
const limits = { ...dimseLimits, responseTimeoutMs: remoteArchiveLimits.silenceMs }

/** Asked for beside what is looked for. */
export const returned = {
  STUDY: [
    '00080020',
    '00080030',
    '00080050',
    '00080061',
    '00081030',
    '00100010',
    '00100020',
    '00100030',
    '00100040',
    '0020000D',
    '00201206',
    '00201208',
  ],
  SERIES: ['00080060', '0008103E', '0020000D', '0020000E', '00200011', '00201209'],
} as const

/** `own`: as whom we call, and where a C-MOVE sends to. */
export function createRemoteArchives(own: Pick<Target, 'callingAe' | 'identity'>): RemoteArchives {
  const withAssociation = async <T>(
    device: Device,
    sopClass: string,
    use: (association: ScuAssociation, context: Context) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> => {
    const { explicitLittleEndian, implicitLittleEndian } = transferSyntaxes
    const pairs = [explicitLittleEndian, implicitLittleEndian].map((transferSyntax) => ({
      abstractSyntax: sopClass,
      transferSyntax,
    }))
    const association = await wanted(signal, () =>
      openAssociation({ ...targetOf(device), ...own, pairs, limits }),
    )
    try {
      const context = association.contextOf(sopClass)
      if (context === undefined) throw new ProtocolError('unsupported', 'not offered there')
      return await use(association, { ...context, sopClass })
    } finally {
      await association.release()
    }
  }
  return {
    echo: (device) => withAssociation(device, usedClasses.echo, echo),
    find: (device, query) =>
      withAssociation(device, usedClasses.find, (association, context) =>
        find(association, context, { device, query }),
      ),
    move: (device, what, watch) =>
      withAssociation(
        device,
        usedClasses.move,
        (association, context) => move(association, context, { what, watch, to: own.callingAe }),
        watch.signal,
      ),
  }
}

const givenUp = () => new ProtocolError('aborted', 'the transfer was given up')

/** Who gives up while the archive is being reached waits for nothing; what was opened all the same is closed. */
async function wanted(
  signal: AbortSignal | undefined,
  open: () => Promise<ScuAssociation>,
): Promise<ScuAssociation> {
  if (signal === undefined) return open()
  const { promise: over, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(givenUp())
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  const opening = signal.aborted ? over : open()
  try {
    return await Promise.race([opening, over])
  } catch (error) {
    opening.then(async (late) => late.release()).catch(() => undefined)
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

type Context = { id: number; transferSyntax: string; sopClass: string }

async function echo(association: ScuAssociation, { id, sopClass }: Context): Promise<void> {
  const asked = { field: commandField.echoRequest, sopClass, sopUid: '' }
  const { command } = await association.ask(id, asked)
  if (command.status !== status.success) throw refused(command.status)
}

async function find(
  association: ScuAssociation,
  { id, transferSyntax, sopClass }: Context,
  { device, query: { level, match } }: { device: Device; query: RemoteQuery },
): Promise<{ matches: DicomJson[]; more: boolean }> {
  const keys = Object.fromEntries(returned[level].map((tag) => [tag, '']))
  const identifier = identifierOf({ level, keys: { ...keys, ...match } }, transferSyntax, device)
  const asked = { field: commandField.findRequest, sopClass, sopUid: '' }
  const matches: DicomJson[] = []
  for await (const { command, dataSet } of association.askMany(id, asked, identifier)) {
    if (dataSet !== undefined && isPending(command.status)) {
      // Whoever stops early cancels the query.
      if (matches.length >= remoteArchiveLimits.matchesMax) return { matches, more: true }
      matches.push((await readIdentifier(dataSet, transferSyntax)).keys)
    } else if (command.status === status.outOfResources) {
      return { matches, more: true }
    } else if (command.status !== status.success) {
      throw refused(command.status)
    }
  }
  return { matches, more: false }
}

async function move(
  association: ScuAssociation,
  { id, transferSyntax, sopClass }: Context,
  { what, watch, to }: { what: RemoteObject; watch: RemoteWatch; to: string },
): Promise<Counts> {
  const { study, series } = what
  const level = series === undefined ? 'STUDY' : 'SERIES'
  const keys = { '0020000D': study, ...(series !== undefined && { '0020000E': series }) }
  const identifier = identifierOf({ level, keys }, transferSyntax)
  const asked = { field: commandField.moveRequest, sopClass, sopUid: '', moveDestination: to }
  let counts: Counts = { completed: 0, failed: 0, warning: 0 }
  // One that does not say how far it is cannot be cancelled between two answers: the association ends.
  const onAbort = () => void association.release()
  if (watch.signal.aborted) throw givenUp()
  watch.signal.addEventListener('abort', onAbort, { once: true })
  try {
    for await (const { command } of association.askMany(id, asked, identifier)) {
      if (command.counts !== undefined) watch.onProgress((counts = command.counts))
      const { status: code } = command
      if (code !== status.success && !isPending(code) && !isWarning(code)) throw refused(code)
    }
    return counts
  } finally {
    watch.signal.removeEventListener('abort', onAbort)
  }
}

function identifierOf(
  { level, keys }: { level: string; keys: Record<string, string> },
  transferSyntax: string,
  { characterSet }: Pick<Device, 'characterSet'> = {},
): Buffer {
  const elements = Object.entries(keys).map(([tag, value]) => {
    const vr = vrOf(tag)
    return [tag, value === '' ? { vr } : { vr, Value: [value] }] as const
  })
  const dataSet = {
    ...Object.fromEntries(elements),
    [queryRetrieveLevel]: { vr: 'CS', Value: [level] },
  }
  const declared = [characterSet ?? 'ISO_IR 192']
  const { explicit: isExplicit } = encodingOf(transferSyntax)
  return encodeDataSet(dataSet, { isExplicit, encoders: encodersFor(declared) })
}

const refused = (code: number): ProtocolError =>
  new ProtocolError('not_acceptable', `the archive answered ${code.toString(16).padStart(4, '0')}`)
