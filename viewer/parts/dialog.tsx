import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useTranslation } from './app-context.ts'
import { Icon } from './icons.tsx'

export type DialogProps = {
  title: string
  isWide?: boolean
  onClose: () => void
  children: ComponentChildren
}

/** The browser's own modal dialog: it keeps the focus, closes with Escape and hides the rest from screen readers. */
export function Dialog({ title, isWide, onClose, children }: DialogProps) {
  const { t } = useTranslation()
  const element = useRef<HTMLDialogElement>(null)
  useEffect(() => element.current?.showModal(), [])
  return (
    <dialog
      ref={element}
      class={isWide === true ? 'dialog wide' : 'dialog'}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === element.current) element.current?.close()
      }}
    >
      <div class="dialog-body">
        <header>
          <h2>{title}</h2>
          <button
            type="button"
            class="icon-button"
            title={t('close')}
            aria-label={t('close')}
            onClick={() => element.current?.close()}
          >
            <Icon name="clear" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  )
}
