import { useApp, useTranslation } from './app-context.ts'

/** Names the other language in that language, so that whoever needs it can read it. */
export function LanguageSwitch() {
  const { language } = useApp()
  const { t } = useTranslation()
  const other = language.value === 'ru' ? 'en' : 'ru'
  return (
    <button
      type="button"
      class="button quiet"
      lang={other}
      title={t('languageLabel')}
      onClick={() => (language.value = other)}
    >
      {t('language')}
    </button>
  )
}
