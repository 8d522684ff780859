import { Level } from 'level'

/** What lies on the disk of records that are closed, below what reads and checks it. */
const openRaw = (dir: string) =>
  new Level<string, Uint8Array>(dir, { keyEncoding: 'utf8', valueEncoding: 'view' })

/** Flips a bit of a row. */
export async function damageRow(dir: string, kind: string, key: string): Promise<void> {
  await using raw = openRaw(dir)
  const stored = Buffer.from((await raw.get(`${kind}!${key}`)) ?? [])
  stored[0] = (stored[0] ?? 0) ^ 1
  await raw.put(`${kind}!${key}`, stored)
}

/** The bytes of a row, in hexadecimal. */
export async function bytesOfRow(
  dir: string,
  kind: string,
  key: string,
): Promise<string | undefined> {
  await using raw = openRaw(dir)
  const stored = await raw.get(`${kind}!${key}`)
  return stored && Buffer.from(stored).toString('hex')
}
