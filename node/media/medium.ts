/** One file of a medium. Its path is a name only: parts separated by `/`, never followed on our own disk. */
export type MediaFile = {
  path: string
  bytes: number
  /** Throws `UnreadableError` for what the medium does not give. */
  read(signal: AbortSignal): AsyncIterable<Uint8Array>
}

/** Why a file is not even looked at. */
export type RefusalReason =
  | 'unsafe_name'
  | 'symbolic_link'
  | 'no_file'
  | 'encrypted'
  | 'name_twice'
  | 'too_large'
  | 'too_deep'
  | 'unreadable'

/** A scratched place of a disc, or one that was taken out: a fault of the medium and not of ours. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
}

export type MediaEntry =
  | { kind: 'file'; file: MediaFile }
  | { kind: 'refused'; path: string; reason: RefusalReason }

/** A disc, a folder, or a ZIP file that somebody brought from elsewhere. */
export type Medium = AsyncDisposable & {
  /** Throws `too_large` when there are more entries than a medium may have. */
  entries(signal: AbortSignal): AsyncIterable<MediaEntry>
}

const pathLengthMax = 512
export const depthMax = 16

/**
 * A path as others wrote it, in our form; nothing when it is absolute, climbs, or holds what no name has. `\` parts
 * names too: Windows writes it into ZIP files.
 */
export function safePath(path: string): string | undefined {
  if (/^[\\/]/.test(path) || path.length > pathLengthMax || /\p{Cc}/u.test(path)) return undefined
  const parts = path.split(/[\\/]/).filter((part) => part !== '' && part !== '.')
  const isDrive = /^[A-Za-z]:/.test(parts[0] ?? '')
  const isPlain = !isDrive && parts.length > 0 && parts.length <= depthMax && !parts.includes('..')
  return isPlain ? parts.join('/') : undefined
}
