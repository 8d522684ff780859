import type { Translation } from '../i18n/i18n.ts'

/** Patient's Sex (PS3.3 C.7.1.1) in words; empty when the file does not say. */
export function sexText(sex: string, t: Translation['t']): string {
  if (sex === 'M') return t('patientSexM')
  if (sex === 'F') return t('patientSexF')
  return sex === 'O' ? t('patientSexO') : ''
}
