import { request, transferMs } from './http.ts'
import { firstPart, parseMediaType } from './multipart.ts'

/** One frame as stored (PS3.18 §10.4.1.1.6), with the transfer syntax that the answer names. */
export type WireFrame = { bytes: Uint8Array<ArrayBuffer>; transferSyntax: string }

const accept =
  'multipart/related; type="application/octet-stream"; transfer-syntax=*, ' +
  'application/octet-stream; transfer-syntax=*'

/** Explicit VR Little Endian, which an answer without a transfer syntax means (PS3.18 §8.7.3.5.2). */
const defaultSyntax = '1.2.840.10008.1.2.1'

export async function fetchFrame(
  { study, series, sop, frame }: { study: string; series: string; sop: string; frame: number },
  signal: AbortSignal,
): Promise<WireFrame> {
  const path = `/dicom-web/studies/${study}/series/${series}/instances/${sop}/frames/${frame}`
  const response = await request(path, { accept, signal, limitMs: transferMs })
  const whole = new Uint8Array(await response.arrayBuffer())
  return frameOf(whole, response.headers.get('content-type') ?? '')
}

/** Takes a frame out of either form of answer. */
export function frameOf(body: Uint8Array<ArrayBuffer>, contentType: string): WireFrame {
  const outer = parseMediaType(contentType)
  if (!outer.type.startsWith('multipart/')) {
    return { bytes: body, transferSyntax: syntaxOf([outer]) }
  }
  const part = firstPart(body, outer.parameters.get('boundary') ?? '')
  const inner = parseMediaType(part.headers.get('content-type') ?? '')
  return { bytes: part.body, transferSyntax: syntaxOf([inner, outer]) }
}

/** The part's own word first: servers differ in where they put it. */
function syntaxOf(types: ReturnType<typeof parseMediaType>[]): string {
  for (const { parameters } of types) {
    const value = parameters.get('transfer-syntax')
    if (value !== undefined && value !== '*' && value !== '') return value
  }
  return defaultSyntax
}
