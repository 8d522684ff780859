import { useState } from 'preact/hooks'
import type { Activation } from '../api.ts'
import { useTexts } from '../desk.ts'

/** One-time links, shown once: the registry keeps only their digests. */
export function Links({ links, onClose }: { links: Activation[]; onClose: () => void }) {
  const { t, moment } = useTexts()
  const [copied, setCopied] = useState('')
  return (
    <section class="links-card" data-testid="links" role="status">
      <h2>{t('linksTitle')}</h2>
      <p>{t('linksText')}</p>
      <ul>
        {links.map(({ login, name, secret, expiresAt }) => {
          const url = `${location.origin}/activation#${secret}`
          return (
            <li key={login}>
              <b>{name ?? login}</b> <span class="muted">{login}</span>
              <code class="secret">{url}</code>
              <button
                type="button"
                class="button small"
                onClick={() => void navigator.clipboard.writeText(url).then(() => setCopied(login))}
              >
                {t(copied === login ? 'copied' : 'copy')}
              </button>
              <small>{t('validUntil', { date: moment(expiresAt) })}</small>
            </li>
          )
        })}
      </ul>
      <button type="button" class="button" onClick={onClose}>
        {t('close')}
      </button>
    </section>
  )
}
