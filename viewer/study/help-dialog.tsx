import { useTranslation } from '../parts/app-context.ts'
import { Dialog } from '../parts/dialog.tsx'
import type { Key } from '../i18n/i18n.ts'
import { bindings, keyCaps } from './keys.ts'

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
    <Dialog title={t('helpTitle')} onClose={onClose}>
      <div class="help" data-testid="help-sheet">
        <dl>
          {bindings.map(({ text, commands }) => (
            <div key={text}>
              <dt>
                {commands.map(([command, chord = '']) => (
                  <Chord key={command} chord={chord} space={t('space')} />
                ))}
              </dt>
              <dd>{t(text)}</dd>
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

const Chord = ({ chord, space }: { chord: string; space: string }) => (
  <span class="chord">
    {keyCaps(chord).map((cap) => (
      <kbd key={cap}>{cap === 'Space' ? space : cap}</kbd>
    ))}
  </span>
)
