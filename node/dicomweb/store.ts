import { ProtocolError, WrongRequest } from '#protocol/errors.ts'
import { dicomwebLimits, httpLimits } from '#protocol/limits.ts'
import type { Doors } from '../access/doors.ts'
import { nativeModel } from '../dicom/native-model.ts'
import type { Context } from './answer.ts'
import { parseMediaType } from './media-types.ts'
import { type IncomingPart, readParts } from './multipart-reader.ts'
import { storeForm } from './negotiation.ts'
import { uidsOf } from './paths.ts'
import { acceptOf } from './retrieve.ts'
import { answerOf, type Outcome, statusOf } from './store-answer.ts'
import { storeFile, type Storing } from './store-file.ts'
import { storeMetadata } from './store-metadata.ts'

/**
 * Takes instances in (PS3.18 §10.5). Nobody says how fast a body has to come: no more come at a time than leave room in
 * the archive for everybody else, and of one user no more than leave room for others.
 */
export function createStore(doors: Pick<Doors, 'store'>): (ctx: Context) => Promise<void> {
  const { storesMax, storesPerUserMax } = dicomwebLimits
  /** The user of each. */
  const underWay: string[] = []
  return async (ctx) => {
    const { uid } = ctx.state.user
    const own = underWay.filter((user) => user === uid)
    if (underWay.length >= storesMax || own.length >= storesPerUserMax) {
      throw new ProtocolError('unavailable', 'too many requests are storing instances')
    }
    underWay.push(uid)
    try {
      await storeInstances(ctx, doors)
    } finally {
      underWay.splice(underWay.indexOf(uid), 1)
    }
  }
}

/** Each stands or falls alone; the answer has an item for every one. */
async function storeInstances(ctx: Context, doors: Pick<Doors, 'store'>): Promise<void> {
  const intake = await doors.store(ctx.state.user)
  const form = storeForm(acceptOf(ctx))
  const study = ctx.params['study'] === undefined ? undefined : uidsOf(ctx.params).study
  const body = openBody(ctx)
  const outcomes =
    body.form === 'metadata'
      ? await storeMetadata(body.parts, { intake, study })
      : await storeFiles(body.parts, { intake, study })
  if (outcomes.length === 0) throw new WrongRequest('the body holds no instance')
  const failed = outcomes.filter((outcome) => !outcome.ok)
  const stored = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.stored] : []))
  await intake.stored(stored, failed.length)
  if (stored.length === 0 && failed.every(isOutOfSpace)) {
    throw new ProtocolError('unavailable', 'there is no space for any instance')
  }
  ctx.status = statusOf(outcomes)
  const answer = answerOf(outcomes)
  ctx.body = form === 'xml' ? [...nativeModel(answer)].join('') : JSON.stringify(answer)
  ctx.set('Content-Type', `application/dicom+${form}`)
  // What is still on its way would have to be read to keep the connection.
  if (!ctx.req.complete) ctx.set('Connection', 'close')
}

const isOutOfSpace = (outcome: Outcome): boolean =>
  !outcome.ok && (outcome.code === 'storage_full' || outcome.code === 'storage_failed')

/**
 * Files one after the other. When the body breaks off, what was stored before stays and is told of; a body that brought
 * nothing is refused as a whole.
 */
async function storeFiles(
  parts: AsyncIterable<IncomingPart>,
  storing: Storing,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  try {
    for await (const part of parts) {
      const { outcome, ended } = await storeFile(part, storing)
      if (ended !== undefined) {
        if (outcomes.length === 0) throw ended
        return [...outcomes, outcome]
      }
      outcomes.push(outcome)
    }
  } catch (error) {
    const hasStored = outcomes.some(({ ok }) => ok)
    if (!hasStored || !(error instanceof ProtocolError)) throw error
    outcomes.push({ ok: false, code: error.code })
  }
  return outcomes
}

type Body = { form: 'files' | 'metadata'; parts: AsyncIterable<IncomingPart> }

function openBody(ctx: Context): Body {
  const { type, parameters } = parseMediaType(ctx.get('Content-Type'))
  if (Number(ctx.get('Content-Length')) > httpLimits.storeBytes) throw tooLarge()
  const body = bounded(ctx.req)
  if (type === 'application/dicom') return { form: 'files', parts: single(type, body) }
  const inner = parameters.get('type')?.toLowerCase() ?? 'application/dicom'
  const form = forms.get(inner)
  if (type !== 'multipart/related' || form === undefined) {
    throw new ProtocolError(
      'unsupported',
      'instances come as multipart/related application/dicom or application/dicom+json',
    )
  }
  const boundary = parameters.get('boundary') ?? ''
  if (boundary === '' || boundary.length > dicomwebLimits.boundaryChars) {
    throw new WrongRequest('the boundary is missing')
  }
  return { form, parts: readParts(body, boundary) }
}

const forms = new Map<string, Body['form']>([
  ['application/dicom', 'files'],
  ['application/dicom+json', 'metadata'],
])

async function* single(type: string, body: AsyncIterable<Buffer>): AsyncGenerator<IncomingPart> {
  yield { headers: new Map([['content-type', type]]), body }
}

async function* bounded(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > httpLimits.storeBytes) throw tooLarge()
      yield chunk
    }
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause
    // The sender is gone: no fault of ours, and what it brought before is told of as ever.
    throw new ProtocolError('aborted', 'the body was cut off', { cause })
  }
}

const tooLarge = () => new ProtocolError('too_large', 'the body is too large')
