import { codeOf } from '#protocol/errors.ts'
import type { Doors } from '../access/doors.ts'
import type { Query, QueryResult } from '../archive/archive.ts'
import { searchReader } from '../archive/reader-search.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { type Context, sendContent, sendJsonText, warn } from './answer.ts'
import { xmlAnswer } from './metadata.ts'
import { metadataForm } from './negotiation.ts'
import { uidsOf } from './paths.ts'
import { parseSearch, type Search } from './query.ts'
import { acceptOf, closedWith } from './retrieve.ts'
import { createRowWriter } from './rows.ts'

type Level = Exclude<Query['level'], 'patient'>
type Found = QueryResult & { warnings: readonly string[] }
type Wish = { level: Level; search: Search; form: 'json' | 'xml' }

/** Studies, series or instances of the whole archive (PS3.18 §10.6). */
export async function searchAll(
  ctx: Context,
  doors: Pick<Doors, 'search'>,
  level: Level,
): Promise<void> {
  const form = metadataForm(acceptOf(ctx))
  const search = parseSearch(ctx.query)
  const { match, limit, offset, scope } = search
  const found = await doors.search(ctx.state.user, { level, match, limit, offset }, scope)
  await sendRows(ctx, { level, search, form }, found)
}

/**
 * Series or instances of one study, whoever holds it. A study that may not be read has none that can be seen: searches
 * leave out what retrieval refuses (contract.md, section 7).
 */
export async function searchStudy(
  ctx: Context,
  doors: Pick<Doors, 'openStudy'>,
  level: Exclude<Level, 'study'>,
): Promise<void> {
  const form = metadataForm(acceptOf(ctx))
  const search = parseSearch(ctx.query)
  const found = await foundIn(ctx, doors, { level, search })
  await sendRows(ctx, { level, search, form }, { ...found, warnings: [] })
}

async function foundIn(
  ctx: Context,
  doors: Pick<Doors, 'openStudy'>,
  { level, search: { match, limit, offset } }: Pick<Wish, 'level' | 'search'>,
): Promise<QueryResult> {
  const { study, series } = uidsOf(ctx.params)
  try {
    const reader = await doors.openStudy(ctx.state.user, study, 'opening')
    const { release } = await closedWith(ctx, reader)
    const within = series === undefined ? {} : { series }
    try {
      return await searchReader(reader, { level, match, limit, offset, ...within })
    } finally {
      await release()
    }
  } catch (error) {
    if (codeOf(error) === 'forbidden') return { matches: [], more: false }
    throw error
  }
}

async function sendRows(ctx: Context, { level, search, form }: Wish, found: Found): Promise<void> {
  const warnings = [...search.warnings, ...found.warnings]
  if (found.more) warnings.push('There are additional results that can be requested.')
  for (const warning of warnings) warn(ctx, warning)
  ctx.vary('Accept')
  ctx.set('Cache-Control', 'private, no-cache')
  const rows = found.matches.map(createRowWriter(level, search))
  if (form === 'xml' && rows.length === 0) {
    // No parts are no body (PS3.18 §10.6.3.1).
    ctx.status = 204
  } else if (form === 'xml') {
    const parsed = rows.map((row) => JSON.parse(row) as DicomJson)
    await sendContent(ctx, xmlAnswer(parsed, level), async () => undefined)
  } else {
    ctx.status = 200
    await sendJsonText(ctx, `[${rows.join(',')}]`)
  }
}
