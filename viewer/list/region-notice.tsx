import type { Region } from '../api/region.ts'
import { useTranslation } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import { silentHolders } from './holder.ts'

/** What the reader of a region's list must know: who is silent, and how old their part of the list is. */
export function RegionNotice({ region, ownOid }: { region: Region | undefined; ownOid: string }) {
  const { t, ago, clock } = useTranslation()
  if (region === undefined) return null
  const { reachable, since } = region.registry
  const silent = silentHolders(region, ownOid)
  if (reachable && silent.length === 0) return null
  return (
    <div class="notices" role="status">
      {!reachable && (
        <p class="notice warning">
          <Icon name="warning" size={18} />
          {since > 0 ? t('registryDownSince', { time: clock(since) }) : t('registryDown')}
        </p>
      )}
      {silent.map(({ oid, name, ageMs }) => (
        <p key={oid} class="notice warning">
          <Icon name="warning" size={18} />
          {t('holderDown', { name, age: ago(ageMs) })}
        </p>
      ))}
    </div>
  )
}
