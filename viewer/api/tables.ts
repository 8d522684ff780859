import { type Attribute, type Attributes, isAttributes } from './dicom-json.ts'

/**
 * Metadata refers to bulk data for values beyond a kilobyte (PS3.18 §8.7.3.3.2). Look-up tables are such values, and an
 * image without its table would be shown wrongly, so they are fetched and put in.
 */
const tableTags = new Set(['00281201', '00281202', '00281203', '00283006'])
/** Sequences that hold tables: of an image, and of its frames in functional groups. */
const sequenceTags = new Set(['00283000', '00283010', '52009229', '52009230', '00289132'])

export async function withTables(
  instances: readonly Attributes[],
  fetchBytes: (uri: string) => Promise<Uint8Array>,
): Promise<Attributes[]> {
  const fetched = new Map<string, Promise<string>>()
  const inline = (uri: string): Promise<string> => {
    const known = fetched.get(uri) ?? fetchBytes(uri).then(base64)
    fetched.set(uri, known)
    return known
  }
  return Promise.all(instances.map((instance) => filled(instance, inline)))
}

type Inline = (uri: string) => Promise<string>

async function filled(attributes: Attributes, inline: Inline): Promise<Attributes> {
  const changed: [string, Attribute][] = []
  for (const [tag, attribute] of Object.entries(attributes)) {
    if (attribute === undefined) continue
    if (tableTags.has(tag) && attribute.BulkDataURI !== undefined) {
      const InlineBinary = await inline(attribute.BulkDataURI)
      changed.push([
        tag,
        { ...(attribute.vr === undefined ? {} : { vr: attribute.vr }), InlineBinary },
      ])
    } else if (sequenceTags.has(tag)) {
      const items = attribute.Value ?? []
      const Value = await Promise.all(
        items.map((item) => (isAttributes(item) ? filled(item, inline) : item)),
      )
      if (Value.some((item, index) => item !== items[index])) {
        changed.push([tag, { vr: 'SQ', Value }])
      }
    }
  }
  return changed.length === 0 ? attributes : { ...attributes, ...Object.fromEntries(changed) }
}

function base64(bytes: Uint8Array): string {
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; at += 8192) {
    pieces.push(String.fromCodePoint(...bytes.subarray(at, at + 8192)))
  }
  return btoa(pieces.join(''))
}
