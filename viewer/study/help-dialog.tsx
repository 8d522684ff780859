import { useTranslation } from '../parts/app-context.ts'
import { Dialog } from '../parts/dialog.tsx'
import type { Key } from '../i18n/i18n.ts'
import { bindings, capGroups } from './keys.ts'

const mouse: readonly (readonly [Key, Key])[] = [
  ['mouseLeft', 'mouseLeftDoes'],
  ['mouseRight', 'mouseRightDoes'],
  ['mouseMiddle', 'mouseMiddleDoes'],
  ['mouseWheel', 'mouseWheelDoes'],
  ['mouseDouble', 'mouseDoubleDoes'],
]

/** Every key and every button of the mouse, from the table that the keys themselves are read from. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Dialog title={t('helpTitle')} isWide onClose={onClose}>
      <div class="help" data-testid="help-sheet">
        <dl>
          {bindings.map((binding) => (
            <div key={binding.text}>
              <dt>
                {capGroups(binding).map((keys) => (
                  <Keys key={keys.join()} keys={keys} space={t('space')} />
                ))}
              </dt>
              <dd>{t(binding.text)}</dd>
            </div>
          ))}
        </dl>
        <dl>
          {mouse.map(([button, does]) => (
            <div key={button}>
              <dt>{t(button)}</dt>
              <dd>{t(does)}</dd>
            </div>
          ))}
        </dl>
      </div>
    </Dialog>
  )
}

const Keys = ({ keys, space }: { keys: readonly string[]; space: string }) => (
  <span class="chord">
    {keys.map((cap) => (
      <kbd key={cap}>{cap === 'Space' ? space : cap}</kbd>
    ))}
  </span>
)
