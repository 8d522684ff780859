import type { Finding } from './api.ts'
import { type DeskKey, texts } from './texts.ts'
import type { DeskTexts } from './use-desk.ts'

const has = (key: string): key is DeskKey => Object.hasOwn(texts, key)

/** A sentence for what a rule of reception found. */
export function findingText(
  { code, action, detail = '', tag = '' }: Finding,
  { d, number }: Pick<DeskTexts, 'd' | 'number'>,
): string {
  const off = /^(-?\d+) min$/.exec(detail)
  const minutes = Math.abs(Number(off?.[1] ?? 0))
  const shown =
    off === null
      ? detail
      : minutes < 2880
        ? d('minutesOff', { n: number(minutes) })
        : d('daysOff', { n: number(Math.round(minutes / 1440)) })
  const key = [`${code} ${detail}`, `${code} ${action}`, code].find(has) ?? 'findingOther'
  return d(key, { code, detail: shown, tag })
}
