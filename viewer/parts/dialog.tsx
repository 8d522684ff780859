import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useTranslation } from './app-context.ts'
import { Icon } from './icons.tsx'

export type DialogProps = {
  title: string
  isWide?: boolean
  /** Something on it is shown once: neither Escape nor a click closes it, but what is inside. */
  isHeld?: boolean
  onClose: () => void
  children: ComponentChildren
}

/** The browser's own modal dialog: it keeps the focus, closes with Escape and hides the rest from screen readers. */
export function Dialog({ title, isWide, isHeld = false, onClose, children }: DialogProps) {
  const { t } = useTranslation()
  const element = useRef<HTMLDialogElement>(null)
  useEffect(() => element.current?.showModal(), [])
  return (
    <dialog
      ref={element}
      class={isWide === true ? 'dialog wide' : 'dialog'}
      aria-label={title}
      onCancel={(event) => {
        if (isHeld) event.preventDefault()
      }}
      onClose={() => {
        // Browsers let a second Escape through.
        if (isHeld) element.current?.showModal()
        else onClose()
      }}
      onClick={(event) => {
        if (event.target === element.current && !isHeld) element.current?.close()
      }}
    >
      <div class="dialog-body">
        <header>
          <h2>{title}</h2>
          {!isHeld && (
            <button
              type="button"
              class="icon-button"
              title={t('close')}
              aria-label={t('close')}
              onClick={() => element.current?.close()}
            >
              <Icon name="clear" />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  )
}
