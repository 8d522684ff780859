import type { Store, Write } from './store/store.ts'

/** Registration numbers `<series>-<n>/<year>`, each given once in its year; the caller writes what it is given. */
export type Numbers = {
  next(series: string, year: string): Promise<{ number: string; write: Write }>
}

export const createNumbers = (store: Store): Numbers => ({
  async next(series, year) {
    const key = `number/${series}/${year}`
    const last = Number((await store.get(key)) ?? 0)
    const write = { put: key, value: String(last + 1) }
    return { number: `${label(series)}-${last + 1}/${year}`, write }
  },
})

/** Forms are numbered by the appendix of the order that they are; other letters by a letter. */
const labels: Record<string, string> = {
  enrollment: '1',
  access_notice: '2',
  refusal_notice: '3',
  device_notice: '4',
  access_request: '5',
  device_receipt: 'У4',
  grant_notice: 'У5',
  restriction: 'О',
  restriction_notice: 'УО',
  restoration_notice: 'УВ',
}
const label = (series: string): string => labels[series] ?? series
