import { ProtocolError } from '#protocol/errors.ts'
import { htj2kLossless } from '../dicom/transcode/transcode.ts'
import { covers, type MediaRange, parseAccept } from './media-types.ts'

/** How an answer is put together, and which media type its content has. */
export type Form = { isMultipart: boolean; type: string }
/** And which transfer syntax each of its things gets. */
export type SyntaxForm = Form & { targets: readonly string[] }

/** Something stored: its syntax, and which others it can be had in. */
export type Stored = { syntax: string; makes(target: string): boolean }

const multipart = 'multipart/related'

const json = ['application/dicom+json', 'application/json']
/** What metadata and search results are as XML: one part for each (PS3.18 §8.7.3.2). */
export const xmlForm = { isMultipart: true, type: 'application/dicom+xml' } as const satisfies Form

/** Metadata and search results: as JSON, unless XML is preferred. */
export function metadataForm(accept: string | undefined): 'json' | 'xml' {
  for (const { type, parameters } of parseAccept(accept)) {
    if (json.some((offered) => covers(type, offered))) return 'json'
    const inner = type === multipart ? (parameters.get('type')?.toLowerCase() ?? '*/*') : '*/*'
    if (covers(type, multipart) && covers(inner, xmlForm.type)) return 'xml'
  }
  throw notAcceptable('metadata and search results are application/dicom+json or parts of XML')
}

/** What became of instances that came: one thing, as JSON unless XML is preferred (PS3.18 §10.5.3). */
export function storeForm(accept: string | undefined): 'json' | 'xml' {
  for (const { type } of parseAccept(accept)) {
    if (json.some((offered) => covers(type, offered))) return 'json'
    if (covers(type, xmlForm.type)) return 'xml'
  }
  throw notAcceptable('answers to storing are application/dicom+json or application/dicom+xml')
}

const dicom = 'application/dicom'
export const octets = 'application/octet-stream'

/** Several files in one answer. */
export const zip = 'application/zip'

/** Whole instances: `application/dicom`, as parts or, when it is one, alone; or all in one archive. */
export const instanceForm = (accept: string | undefined, stored: readonly Stored[]): SyntaxForm =>
  choose(accept, { types: [dicom, zip], count: stored.length, stored })

/** Pixels and other bulk values: as bytes, or under the compressed image's own media type (PS3.18 §8.7.3.3). */
export function bulkForm(
  accept: string | undefined,
  stored: Stored,
  count: number,
): Form & { target: string } {
  const image = imageTypes.get(stored.syntax)
  const images = image === undefined ? [] : [image]
  if (image !== htj2kType && stored.makes(htj2kLossless)) images.push(htj2kType)
  const types = [octets, ...images, ...images.flatMap(olderNames)]
  const { targets, ...form } = choose(accept, { types, count, stored: [stored] })
  return { ...form, target: targets[0] ?? stored.syntax }
}

/** All bulk values of several instances: parts, however many there are. */
export const bulkForms = (accept: string | undefined, stored: readonly Stored[]): SyntaxForm =>
  choose(accept, { types: [octets], count: Infinity, stored })

/** Whether bulk values alone are preferred to the files that have them. */
export function prefersBulk(accept: string | undefined): boolean {
  for (const range of parseAccept(accept)) {
    if (formOf(range, { types: [dicom, zip], count: 1 }) !== undefined) return false
    if (formOf(range, { types: [octets], count: Infinity }) !== undefined) return true
  }
  return false
}

/** Pictures: JPEG unless PNG is preferred; several come as parts. */
export function pictureForm(accept: string | undefined, count: number): Form {
  const types = ['image/jpeg', 'image/png']
  const [any] = types
  for (const { type, parameters } of parseAccept(accept)) {
    if (type === '*/*' && any !== undefined) return { isMultipart: count !== 1, type: any }
    const isMultipart = type === multipart || type === 'multipart/*'
    const wanted = isMultipart ? (parameters.get('type')?.toLowerCase() ?? '*/*') : type
    const offered = types.find((one) => covers(wanted, one))
    if (offered !== undefined && (isMultipart || count === 1)) return { isMultipart, type: offered }
  }
  throw notAcceptable('pictures are given as image/jpeg or image/png')
}

/** What can be given in one form alone. */
export function checkAccepted(accept: string | undefined, offered: string): void {
  if (parseAccept(accept).some(({ type }) => covers(type, offered))) return
  throw notAcceptable(`this is given as ${offered}`)
}

type Offer = { types: readonly string[]; count: number; stored: readonly Stored[] }

/** The first form for which some range accepts each syntax: clients list one range for every syntax they can read. */
function choose(accept: string | undefined, offer: Offer): SyntaxForm {
  const candidates = parseAccept(accept).flatMap((range) => {
    const form = formOf(range, offer)
    return form === undefined ? [] : [{ range, form }]
  })
  for (const { form } of candidates) {
    const alike = candidates.filter((one) => isSame(one.form, form)).map(({ range }) => range)
    const targets = offer.stored.map((one) => targetOf(one, form.type, alike))
    const isAccepted = (target: string | undefined): target is string => target !== undefined
    if (targets.every(isAccepted)) return { ...form, targets }
  }
  throw notAcceptable('nothing that is stored here has an accepted form')
}

const isSame = (one: Form, other: Form): boolean =>
  one.isMultipart === other.isMultipart && one.type === other.type

function formOf(range: MediaRange, { types, count }: Omit<Offer, 'stored'>): Form | undefined {
  const [first = ''] = types
  // Without a wish parts are the form that always fits (PS3.18 §10.4.4).
  if (range.type === '*/*' || range.type === 'multipart/*')
    return { isMultipart: true, type: first }
  if (range.type === multipart) {
    const inner = range.parameters.get('type')?.toLowerCase() ?? '*/*'
    const type = types.find((offered) => covers(inner, offered))
    return type === undefined || type === zip ? undefined : { isMultipart: true, type }
  }
  const type = types.find((offered) => covers(range.type, offered))
  const isOne = count === 1 || type === zip
  return type !== undefined && isOne ? { isMultipart: false, type } : undefined
}

/**
 * As stored when a range allows that, else the first syntax that was asked for and can be made. A client that names no
 * syntax gets what is stored, although the standard means Explicit VR Little Endian by that (PS3.18 §8.7.3.5.2): those
 * clients look at what they get, and nothing is decoded that nobody asked for.
 */
function targetOf(
  { syntax, makes }: Stored,
  type: string,
  ranges: readonly MediaRange[],
): string | undefined {
  const wishes = ranges.map(({ parameters }) => parameters.get('transfer-syntax') ?? '*')
  const isStored = wishes.some((wish) => wish === '*' || wish === syntax)
  if (isStored && fits(type, syntax)) return syntax
  const wanted = wishes.map((wish) =>
    wish === '*' && nameOf(type) === htj2kType ? htj2kLossless : wish,
  )
  return wanted.find((wish) => wish !== '*' && fits(type, wish) && makes(wish))
}

/** An image's media type says what it is compressed with; the others hold anything. */
const fits = (type: string, syntax: string): boolean =>
  type === dicom || type === zip || type === octets || imageTypes.get(syntax) === nameOf(type)

/** Media types of compressed frames (PS3.18 Table 8.7.3-5). */
const imageTypes = new Map(
  Object.entries({
    '1.2.840.10008.1.2.5': 'image/dicom-rle',
    '1.2.840.10008.1.2.4.50': 'image/jpeg',
    '1.2.840.10008.1.2.4.51': 'image/jpeg',
    '1.2.840.10008.1.2.4.57': 'image/jpeg',
    '1.2.840.10008.1.2.4.70': 'image/jpeg',
    '1.2.840.10008.1.2.4.80': 'image/jls',
    '1.2.840.10008.1.2.4.81': 'image/jls',
    '1.2.840.10008.1.2.4.90': 'image/jp2',
    '1.2.840.10008.1.2.4.91': 'image/jp2',
    '1.2.840.10008.1.2.4.92': 'image/jpx',
    '1.2.840.10008.1.2.4.93': 'image/jpx',
    '1.2.840.10008.1.2.4.110': 'image/jxl',
    '1.2.840.10008.1.2.4.111': 'image/jxl',
    '1.2.840.10008.1.2.4.112': 'image/jxl',
    '1.2.840.10008.1.2.4.201': 'image/jphc',
    '1.2.840.10008.1.2.4.202': 'image/jphc',
    '1.2.840.10008.1.2.4.203': 'image/jphc',
    '1.2.840.10008.1.2.4.100': 'video/mpeg',
    '1.2.840.10008.1.2.4.101': 'video/mpeg',
    '1.2.840.10008.1.2.4.102': 'video/mp4',
    '1.2.840.10008.1.2.4.103': 'video/mp4',
    '1.2.840.10008.1.2.4.104': 'video/mp4',
    '1.2.840.10008.1.2.4.105': 'video/mp4',
    '1.2.840.10008.1.2.4.106': 'video/mp4',
    '1.2.840.10008.1.2.4.107': 'video/mp4',
    '1.2.840.10008.1.2.4.108': 'video/mp4',
  }),
)

/** What a compressed image is in when only its media type is said; PS3.18 names a default for each. */
export const syntaxOfImage = (type: string): string | undefined => defaultSyntaxes.get(nameOf(type))

const defaultSyntaxes = new Map([
  ['image/jpeg', '1.2.840.10008.1.2.4.70'],
  ['image/dicom-rle', '1.2.840.10008.1.2.5'],
  ['image/jls', '1.2.840.10008.1.2.4.80'],
  ['image/jp2', '1.2.840.10008.1.2.4.90'],
  ['image/jpx', '1.2.840.10008.1.2.4.92'],
  ['image/jphc', '1.2.840.10008.1.2.4.201'],
])

const htj2kType = 'image/jphc'

/** Names from before they were registered: dicomweb-client knows RLE and HTJ2K by no other. */
const newerNames = new Map([
  ['image/x-dicom-rle', 'image/dicom-rle'],
  ['image/x-jls', 'image/jls'],
  ['image/jhc', htj2kType],
])

const nameOf = (type: string): string => newerNames.get(type) ?? type

const olderNames = (type: string): string[] =>
  [...newerNames].flatMap(([older, newer]) => (newer === type ? [older] : []))

const notAcceptable = (why: string) => new ProtocolError('not_acceptable', why)
