import { ProtocolError } from '#protocol/errors.ts'
import { transferSyntaxes } from '../dicom/transfer-syntax.ts'
import { covers, type MediaRange, parseAccept } from './media-types.ts'

/** How an answer is put together, and which media type its content has. */
export type Form = { isMultipart: boolean; type: string }

const multipart = 'multipart/related'

/** JSON answers (PS3.18 §8.7.3.2); DICOM's XML is not offered. */
export function requireJson(accept: string | undefined): void {
  const types = ['application/dicom+json', 'application/json']
  const ranges = parseAccept(accept)
  if (ranges.some(({ type }) => types.some((offered) => covers(type, offered)))) return
  throw notAcceptable('metadata and search results are given as application/dicom+json')
}

/** Whole instances: `application/dicom`, as parts or, when it is one, alone. */
export const instanceForm = (accept: string | undefined, syntaxes: readonly string[]): Form =>
  choose(accept, { types: ['application/dicom'], count: syntaxes.length, syntaxes })

/** Pixels and other bulk values: as bytes, or under the compressed image's own media type (PS3.18 §8.7.3.3). */
export function bulkForm(accept: string | undefined, syntax: string, count: number): Form {
  const image = imageTypes.get(syntax)
  const types = ['application/octet-stream', ...(image === undefined ? [] : [image])]
  return choose(accept, { types, count, syntaxes: [syntax] })
}

type Offer = { types: readonly string[]; count: number; syntaxes: readonly string[] }

/** The first form for which some range accepts each syntax: clients list one range for every syntax they can read. */
function choose(accept: string | undefined, offer: Offer): Form {
  const candidates = parseAccept(accept).flatMap((range) => {
    const form = formOf(range, offer)
    return form === undefined ? [] : [{ range, form }]
  })
  for (const { form } of candidates) {
    const alike = candidates.filter((one) => isSame(one.form, form)).map(({ range }) => range)
    if (offer.syntaxes.every((syntax) => alike.some((range) => suits(range, syntax)))) return form
  }
  throw notAcceptable('nothing that is stored here has an accepted form')
}

const isSame = (one: Form, other: Form): boolean =>
  one.isMultipart === other.isMultipart && one.type === other.type

function formOf(range: MediaRange, { types, count }: Offer): Form | undefined {
  const [first = ''] = types
  // Without a wish parts are the form that always fits (PS3.18 §10.4.4).
  if (range.type === '*/*' || range.type === 'multipart/*')
    return { isMultipart: true, type: first }
  if (range.type === multipart) {
    const inner = range.parameters.get('type')?.toLowerCase() ?? '*/*'
    const type = types.find((offered) => covers(inner, offered))
    return type === undefined ? undefined : { isMultipart: true, type }
  }
  const type = types.find((offered) => covers(range.type, offered))
  return type === undefined || count !== 1 ? undefined : { isMultipart: false, type }
}

/**
 * Nothing is transcoded here: what is stored is what is given. A client that names no syntax gets it too, although the
 * standard means Explicit VR Little Endian by that (PS3.18 §8.7.3.5.2): those clients look at what they get, and a
 * refusal helps nobody. Uncompressed little-endian pixels are the same bytes in either form of elements.
 */
function suits({ parameters }: MediaRange, stored: string): boolean {
  const wanted = parameters.get('transfer-syntax')
  if (wanted === undefined || wanted === '*' || wanted === stored) return true
  const { explicitLittleEndian, implicitLittleEndian } = transferSyntaxes
  return wanted === explicitLittleEndian && stored === implicitLittleEndian
}

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

const notAcceptable = (why: string) => new ProtocolError('not_acceptable', why)
