import { useApp, useTranslation } from '../parts/app-context.ts'
import { Icon } from '../parts/icons.tsx'
import type { Key } from '../i18n/i18n.ts'
import { everything, isNarrowed, type ListFilter, modalities, type Period } from './filter.ts'

export type FiltersProps = {
  filter: ListFilter
  change: (filter: ListFilter) => void
  isLoading: boolean
  updatedAt: number | undefined
  refresh: () => void
}

const periodKeys: readonly (readonly [Period, Key])[] = [
  ['all', 'periodAll'],
  ['today', 'periodToday'],
  ['yesterday', 'periodYesterday'],
  ['week', 'periodWeek'],
  ['month', 'periodMonth'],
  ['custom', 'periodCustom'],
]

/** Everything that narrows the list, in one bar. */
export function Filters({ filter, change, isLoading, updatedAt, refresh }: FiltersProps) {
  const { searchText } = useApp()
  const { t, clock } = useTranslation()
  const set = (part: Partial<ListFilter>) => change({ ...filter, page: 0, ...part })
  return (
    <div class="filters" role="search">
      <ScopeSwitch scope={filter.scope} choose={(scope) => set({ scope })} />
      <SearchBox />
      <div class="segments" role="group" aria-label={t('period')}>
        {periodKeys.map(([period, key]) => (
          <button
            key={period}
            type="button"
            aria-pressed={filter.period === period}
            onClick={() => set({ period, from: '', to: '' })}
          >
            {t(key)}
          </button>
        ))}
      </div>
      {filter.period === 'custom' && <DateRange filter={filter} set={set} />}
      <select
        class="select"
        aria-label={t('modality')}
        data-testid="modality"
        value={filter.modality}
        onChange={(event) => set({ modality: event.currentTarget.value })}
      >
        <option value="">
          {t('modality')}: {t('anyModality').toLowerCase()}
        </option>
        {modalities.map((modality) => (
          <option key={modality}>{modality}</option>
        ))}
      </select>
      {isNarrowed(filter, searchText.value) && (
        <button
          type="button"
          class="button quiet"
          onClick={() => {
            searchText.value = ''
            change({ ...everything, scope: filter.scope })
          }}
        >
          {t('resetFilters')}
        </button>
      )}
      <div class="filters-end">
        {updatedAt !== undefined && (
          <span class="muted">{t('updatedAt', { time: clock(updatedAt) })}</span>
        )}
        <button
          type="button"
          class={isLoading ? 'icon-button is-turning' : 'icon-button'}
          title={t('refresh')}
          aria-label={t('refresh')}
          data-testid="refresh"
          onClick={refresh}
        >
          <Icon name="refresh" />
        </button>
      </div>
    </div>
  )
}

type Scope = ListFilter['scope']

function ScopeSwitch({ scope, choose }: { scope: Scope; choose: (scope: Scope) => void }) {
  const { t } = useTranslation()
  const option = (value: Scope, key: Key) => (
    <button
      type="button"
      aria-pressed={scope === value}
      data-testid={`scope-${value}`}
      onClick={() => choose(value)}
    >
      {t(key)}
    </button>
  )
  return (
    <div class="segments strong" role="group" aria-label={t('scope')}>
      {option('own', 'scopeOwn')}
      {option('region', 'scopeRegion')}
    </div>
  )
}

function SearchBox() {
  const { searchText } = useApp()
  const { t } = useTranslation()
  return (
    <div class="search">
      <Icon name="search" size={18} />
      <input
        type="text"
        role="searchbox"
        id="study-search"
        data-testid="search"
        aria-label={t('search')}
        placeholder={t('searchPlaceholder')}
        autocomplete="off"
        spellcheck={false}
        maxLength={64}
        value={searchText}
        onInput={(event) => (searchText.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') searchText.value = ''
        }}
      />
      {searchText.value !== '' && (
        <button
          type="button"
          class="icon-button small"
          title={t('clearSearch')}
          aria-label={t('clearSearch')}
          onClick={() => (searchText.value = '')}
        >
          <Icon name="clear" size={16} />
        </button>
      )}
    </div>
  )
}

type RangeProps = { filter: ListFilter; set: (part: Partial<ListFilter>) => void }

function DateRange({ filter, set }: RangeProps) {
  const { t } = useTranslation()
  const field = (name: 'from' | 'to') => (
    <label>
      <span>{t(name)}</span>
      <input
        type="date"
        class="date"
        value={isoDate(filter[name])}
        onChange={(event) => {
          const dates = {
            from: filter.from,
            to: filter.to,
            [name]: event.currentTarget.value.replaceAll('-', ''),
          }
          set(dates)
        }}
      />
    </label>
  )
  return (
    <div class="dates">
      {field('from')}
      {field('to')}
    </div>
  )
}

const isoDate = (date: string) =>
  date === '' ? '' : `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)}`
