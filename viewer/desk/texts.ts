import type { Language } from '../i18n/i18n.ts'
import { accessTexts } from './texts/access.ts'
import { archiveTexts } from './texts/archives.ts'
import { correctionTexts } from './texts/correction.ts'
import { emergencyTexts } from './texts/emergency.ts'
import { findingTexts } from './texts/finding.ts'
import { frameTexts } from './texts/frame.ts'
import { intakeTexts } from './texts/intake.ts'
import { peopleTexts } from './texts/people.ts'
import { reconciliationTexts } from './texts/reconciliation.ts'
import { referralTexts } from './texts/referral.ts'
import { restrictionTexts } from './texts/restrictions.ts'

/** Texts of these pages, Russian and English side by side, so that none can be missing. */
export const texts = {
  ...frameTexts,
  ...correctionTexts,
  ...findingTexts,
  ...intakeTexts,
  ...referralTexts,
  ...accessTexts,
  ...archiveTexts,
  ...emergencyTexts,
  ...peopleTexts,
  ...reconciliationTexts,
  ...restrictionTexts,
} satisfies Texts

export type Texts = Record<string, readonly [ru: string, en: string]>
export type DeskKey = keyof typeof texts

export const textOf = (key: DeskKey, language: Language): string =>
  texts[key][language === 'ru' ? 0 : 1]
