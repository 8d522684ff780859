import type { Wanted } from './queries.ts'

/** Most rows that the product gives in one answer; more are asked for page by page. */
const pageRows = 1000

/** Asks QIDO-RS for studies; gives their UIDs. `paged`: an answer has a limit, and the rest is asked for. */
export async function qido(
  root: string,
  wanted: Wanted,
  { headers = {}, paged }: { headers?: Record<string, string>; paged: boolean },
): Promise<string[]> {
  const found: string[] = []
  for (;;) {
    const query = new URLSearchParams()
    for (const [tag, [, value]] of Object.entries(wanted)) query.set(tag, value)
    if (paged) {
      query.set('limit', String(pageRows))
      query.set('offset', String(found.length))
    }
    const url = `${root}/studies?${query.toString()}`
    const response = await fetch(url, {
      headers: { accept: 'application/dicom+json', 'accept-encoding': 'identity', ...headers },
    })
    if (!response.ok && response.status !== 204) {
      throw new Error(`QIDO-RS answered ${response.status}: ${await response.text()}`)
    }
    const rows =
      response.status === 204
        ? []
        : ((await response.json()) as Record<string, { Value?: string[] }>[])
    found.push(...rows.map((row) => row['0020000D']?.Value?.[0] ?? ''))
    if (!paged || rows.length < pageRows) return found
  }
}
