import type { Federation } from '../api.ts'
import { useTexts } from '../desk.ts'

export function NodeState({ member }: { member: Federation['members'][number] | undefined }) {
  const { t } = useTexts()
  if (member === undefined) return <span class="muted">{t('nodeNone')}</span>
  if (member.isRevoked) return <span class="late">{t('nodeRevoked')}</span>
  return (
    <span class={member.isOnline ? 'up' : 'down'}>
      <i class="dot" />
      {t(member.isOnline ? 'nodeOnline' : 'nodeOffline')}
      {member.isSuspended && <small>{t('suspended')}</small>}
    </span>
  )
}
