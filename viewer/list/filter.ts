import { dicomDateOf } from '../i18n/i18n.ts'
import type { StudyFilter } from '../api/studies.ts'

/** What the study list is narrowed to. The free text is not here: it may be a name, and this goes into the address. */
export const periods = ['all', 'today', 'yesterday', 'week', 'month', 'custom'] as const
export type Period = (typeof periods)[number]

export type ListFilter = {
  scope: 'own' | 'region'
  period: Period
  /** DICOM dates of a custom period, empty when open. */
  from: string
  to: string
  modality: string
  /** Counts from 0. */
  page: number
}

export const everything: ListFilter = {
  scope: 'own',
  period: 'all',
  from: '',
  to: '',
  modality: '',
  page: 0,
}

/** The modalities that hospitals filter by (PS3.3 C.7.3.1.1.1). */
export const modalities = [
  'CT',
  'MR',
  'DX',
  'CR',
  'MG',
  'US',
  'XA',
  'RF',
  'NM',
  'PT',
  'ES',
  'IO',
  'PX',
  'OT',
] as const

/** Reads a filter from the page's address. What is not understood is left out: an address may come from anywhere. */
export function filterFrom(query: { [name: string]: string | undefined }): ListFilter {
  const period = periods.find((name) => name === query['period']) ?? 'all'
  const page = Number(query['page'] ?? '1')
  return {
    scope: query['scope'] === 'region' ? 'region' : 'own',
    period,
    from: period === 'custom' ? dateFrom(query['from']) : '',
    to: period === 'custom' ? dateFrom(query['to']) : '',
    modality: /^[A-Z0-9_]{1,16}$/.test(query['modality'] ?? '') ? (query['modality'] ?? '') : '',
    page: Number.isInteger(page) && page >= 1 && page <= 10_000 ? page - 1 : 0,
  }
}

const dateFrom = (text: string | undefined) => (/^\d{8}$/.test(text ?? '') ? (text ?? '') : '')

/** The address of a filter; only what differs from the whole list is written. */
export function addressOf(filter: ListFilter): string {
  const query = new URLSearchParams()
  if (filter.scope === 'region') query.set('scope', 'region')
  if (filter.period !== 'all') query.set('period', filter.period)
  if (filter.period === 'custom' && filter.from !== '') query.set('from', filter.from)
  if (filter.period === 'custom' && filter.to !== '') query.set('to', filter.to)
  if (filter.modality !== '') query.set('modality', filter.modality)
  if (filter.page > 0) query.set('page', String(filter.page + 1))
  const text = query.toString()
  return text === '' ? '/' : `/?${text}`
}

/** The question to the node: periods become dates of today. */
export function searchOf(filter: ListFilter, text: string, now: number): StudyFilter {
  const { scope, modality } = filter
  return { scope, text, modality, ...datesOf(filter, now) }
}

const dayMs = 86_400_000

function datesOf({ period, from, to }: ListFilter, now: number): { from: string; to: string } {
  const today = dicomDateOf(now)
  const back = (days: number) => dicomDateOf(now - days * dayMs)
  if (period === 'today') return { from: today, to: today }
  if (period === 'yesterday') return { from: back(1), to: back(1) }
  if (period === 'week') return { from: back(6), to: today }
  if (period === 'month') return { from: back(29), to: today }
  // Dates typed in the wrong order are still a period.
  return from !== '' && to !== '' && from > to ? { from: to, to: from } : { from, to }
}

export const isNarrowed = (filter: ListFilter, text: string): boolean =>
  filter.period !== 'all' || filter.modality !== '' || text.trim() !== ''
