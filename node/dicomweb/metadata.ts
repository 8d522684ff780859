import type { InstanceEntry } from '../archive/archive.ts'
import type { DicomJson, DicomJsonElement, DicomJsonValue } from '../dicom/dicom-json.ts'
import { nativeModel } from '../dicom/native-model.ts'
import { type Answer, type Context, entityTag, isUnchanged, sendJson } from './answer.ts'
import { madeContent } from './content.ts'
import { metadataForm, xmlForm } from './negotiation.ts'
import { instancePath, uidsOf } from './paths.ts'
import { acceptOf, answerOf, entriesOf, type Readers, withStudy } from './retrieve.ts'
import { type Level, retrieveUrl, textAt } from './rows.ts'

const sopInstance = '00080018'
const availableTransferSyntax = '00083002'

/** Every element but bulk values, of each instance (PS3.18 §10.4.1.1.2, Annex F). */
export const retrieveMetadata = (ctx: Context, doors: Readers): Promise<void> =>
  withStudy(ctx, doors, async (opened) => {
    const form = metadataForm(acceptOf(ctx))
    const entries = await entriesOf(opened)
    // Corrections change what is shown, not the bytes.
    const names = entries.map(({ sop, sha256, overlay = 0 }) => `${sop} ${sha256} ${overlay}`)
    const tag = entityTag('metadata', form, ...names)
    if (isUnchanged(ctx, tag)) return undefined
    await opened.accessed('metadata', entries.length, 0)
    const { series, sop } = uidsOf(ctx.params)
    const headers = await opened.reader.metadata({
      ...(series !== undefined && { series }),
      ...(sop !== undefined && { sop }),
    })
    const bySop = new Map(entries.map((entry) => [entry.sop as string, entry]))
    const whole = headers.map((header) => completed(header, bySop.get(textAt(header, sopInstance))))
    if (form === 'xml') return xmlAnswer(whole, 'instance')
    await sendJson(ctx, whole)
    return undefined
  })

/** Each as a part of its own, written when it is wanted. */
export const xmlAnswer = (all: readonly DicomJson[], level: Level): Answer =>
  answerOf(
    all.map((attributes) => ({
      type: xmlForm.type,
      location: retrieveUrl(attributes, level),
      content: madeContent(async function* () {
        for (const text of nativeModel(attributes)) yield Buffer.from(text)
      }),
    })),
    xmlForm,
  )

/** Says in which syntax the pixels are, and where the values are that were left out. */
function completed(header: DicomJson, entry: InstanceEntry | undefined): DicomJson {
  if (entry === undefined) return header
  return {
    ...resolved(header, `${instancePath(entry)}/bulkdata/`),
    [availableTransferSyntax]: { vr: 'UI', Value: [entry.transferSyntax] },
  }
}

function resolved(attributes: DicomJson, base: string): DicomJson {
  return Object.fromEntries(
    Object.entries(attributes).map(([tag, element]) => [tag, resolvedElement(element, base)]),
  )
}

function resolvedElement(element: DicomJsonElement, base: string): DicomJsonElement {
  if (element.BulkDataURI !== undefined) {
    // Another holder's metadata may say anything; no browser is sent anywhere but here.
    const isOurs = /^bulk\/[0-9A-F/]+$/.test(element.BulkDataURI)
    return {
      vr: element.vr,
      ...(isOurs && { BulkDataURI: element.BulkDataURI.replace(/^bulk\//, base) }),
    }
  }
  if (element.vr !== 'SQ' || element.Value === undefined) return element
  return {
    vr: 'SQ',
    Value: element.Value.map((item) => (isItem(item) ? resolved(item, base) : item)),
  }
}

const isItem = (value: DicomJsonValue): value is DicomJson =>
  typeof value === 'object' && value !== null
