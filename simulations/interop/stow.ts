import { readFile } from 'node:fs/promises'

/** Sends DICOM files to a node by STOW-RS, as another program would. */
export async function stow(url: string, token: string, files: readonly string[]): Promise<void> {
  const boundary = 'a-boundary-of-files'
  const parts: Buffer[] = []
  for (const file of files) {
    parts.push(
      Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`),
      await readFile(file),
      Buffer.from('\r\n'),
    )
  }
  const body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)])
  const response = await fetch(`${url}/dicom-web/studies`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': `multipart/related; type="application/dicom"; boundary=${boundary}`,
    },
    body,
  })
  if (response.status !== 200) {
    throw new Error(`STOW-RS answered ${response.status}: ${await response.text()}`)
  }
}
