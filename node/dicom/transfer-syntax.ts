/** How elements are written (PS3.5 §7.1, §10). */
export type Encoding = { explicit: boolean; bigEndian: boolean }

export const implicitLittleEndian: Encoding = { explicit: false, bigEndian: false }
export const explicitLittleEndian: Encoding = { explicit: true, bigEndian: false }
export const explicitBigEndian: Encoding = { explicit: true, bigEndian: true }

export const transferSyntaxes = {
  implicitLittleEndian: '1.2.840.10008.1.2',
  explicitLittleEndian: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  explicitBigEndian: '1.2.840.10008.1.2.2',
} as const

/** Every syntax but the implicit and the big-endian one writes its elements in Explicit VR Little Endian (PS3.5 §A). */
export function encodingOf(transferSyntax: string): Encoding {
  if (transferSyntax === transferSyntaxes.implicitLittleEndian) return implicitLittleEndian
  if (transferSyntax === transferSyntaxes.explicitBigEndian) return explicitBigEndian
  return explicitLittleEndian
}

export const isDeflated = (transferSyntax: string): boolean =>
  transferSyntax === transferSyntaxes.deflated

/** Pixels as plain numbers, so that a frame's place is arithmetic. */
export const isNative = (transferSyntax: string): boolean =>
  (Object.values(transferSyntaxes) as string[]).includes(transferSyntax)

/** Video, where one fragment may hold every frame (PS3.5 §8.2.5 and after). */
export const isVideo = (transferSyntax: string): boolean =>
  /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/.test(transferSyntax)

export const isUid = (text: string): boolean => /^[\d.]{1,64}$/.test(text)
