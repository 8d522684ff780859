import { useSignal } from '@preact/signals'
import { useTranslation } from './app-context.ts'
import { Dialog } from './dialog.tsx'
import { Icon } from './icons.tsx'
import { Mark } from './mark.tsx'

/** What the GNU GPL asks to be shown: the licence, the lack of warranty, where the source is. */
export function AboutButton() {
  const { t } = useTranslation()
  const isOpen = useSignal(false)
  return (
    <>
      <button
        type="button"
        class="icon-button"
        title={t('about')}
        aria-label={t('about')}
        onClick={() => (isOpen.value = true)}
      >
        <Icon name="info" />
      </button>
      {isOpen.value && (
        <Dialog title={t('about')} onClose={() => (isOpen.value = false)}>
          <div class="about">
            <Mark size={56} />
            <div>
              <h3>{t('product')}</h3>
              <p>{t('productFull')}</p>
            </div>
          </div>
          <p>{t('aboutText')}</p>
          <p class="muted">{t('dwvNotice')}</p>
          <p class="links">
            <a href="/cami-viewer-source.tar.gz" download>
              {t('sourceCode')}
            </a>
            <a href="/LICENSE.txt" target="_blank" rel="noreferrer">
              {t('licenceText')}
            </a>
            <a href="/THIRD_PARTY.txt" target="_blank" rel="noreferrer">
              {t('licences')}
            </a>
          </p>
        </Dialog>
      )}
    </>
  )
}
