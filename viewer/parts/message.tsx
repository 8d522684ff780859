import type { ComponentChildren } from 'preact'
import { Icon, type IconName } from './icons.tsx'

/** A state of a page that is neither data nor an error in the middle of data: empty, refused, broken. */
export type MessageProps = {
  icon: IconName
  title: string
  text?: string
  action?: { label: string; run: () => void }
  children?: ComponentChildren
}

export const Message = ({ icon, title, text, action, children }: MessageProps) => (
  <div class="message" role="status">
    <div class="message-icon">
      <Icon name={icon} size={30} />
    </div>
    <h2>{title}</h2>
    {text !== undefined && <p>{text}</p>}
    {action !== undefined && (
      <button type="button" class="button primary" onClick={action.run}>
        {action.label}
      </button>
    )}
    {children}
  </div>
)
