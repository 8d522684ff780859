import { useEffect, useMemo, useRef } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { searchStudies } from '../api/studies.ts'
import { addressOf, everything, filterFrom, isNarrowed, searchOf } from '../list/filter.ts'
import type { ListFilter } from '../list/filter.ts'
import { Filters } from '../list/filters.tsx'
import { RegionNotice } from '../list/region-notice.tsx'
import { createStudyList, pageSize, type StudyList } from '../list/study-list.ts'
import { studyAddress, StudyTable } from '../list/study-table.tsx'
import { presenceMs } from '../parts/activity.ts'
import { useApp, useTranslation } from '../parts/app-context.ts'
import { errorText } from '../parts/app-state.ts'
import { Icon } from '../parts/icons.tsx'
import { Message } from '../parts/message.tsx'
import { TopBar } from '../parts/top-bar.tsx'

const refreshMs = 30_000
/** Long enough that a name typed at speed is one question. */
const typingMs = 350

export function StudiesPage() {
  const state = useApp()
  const { path, query, route } = useLocation()
  const seen = useRef<ListFilter>(everything)
  // The list stays on the screen until the study's page is there; that page's address is not a filter.
  if (!path.startsWith(studyAddress(''))) seen.current = filterFrom(query)
  const filter = seen.current
  const list = useMemo(
    () => createStudyList({ search: searchStudies, clock: Date.now, failed: state.failed }),
    [],
  )
  useEffect(() => () => list[Symbol.dispose](), [])
  useQuestion(list, filter)
  const change = (next: ListFilter) => route(addressOf(next), true)

  const session = state.session.value
  if (typeof session !== 'object') return null
  return (
    <div class="list-page" data-testid="studies-page" onKeyDown={focusSearch}>
      <TopBar />
      <Filters
        filter={filter}
        change={change}
        isLoading={list.isLoading.value}
        updatedAt={list.updatedAt.value}
        refresh={list.refresh}
      />
      {filter.scope === 'region' && (
        <RegionNotice region={state.region.value} ownOid={session.organization.oid} />
      )}
      <ListBody list={list} filter={filter} change={change} organization={session.organization} />
    </div>
  )
}

/** Asks when the filter changes, after a pause in typing, and again now and then while the page is seen. */
function useQuestion(list: StudyList, filter: ListFilter): void {
  const { searchText, listAddress, idleMs } = useApp()
  const address = addressOf(filter)
  const text = searchText.value
  const asked = useRef<string>(text)
  useEffect(() => {
    listAddress.value = address
    const ask = () => {
      asked.current = text
      list.load((now) => searchOf(filter, text, now), filter.page * pageSize)
    }
    if (asked.current === text) {
      ask()
      return undefined
    }
    const timer = setTimeout(ask, typingMs)
    return () => clearTimeout(timer)
  }, [address, text])
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden && idleMs() < presenceMs) list.refresh()
    }, refreshMs)
    return () => clearInterval(timer)
  }, [])
}

/** "/" goes to the search box, as on many sites. */
function focusSearch(event: KeyboardEvent): void {
  if (event.key !== '/' || event.target instanceof HTMLInputElement) return
  event.preventDefault()
  document.getElementById('study-search')?.focus()
}

type BodyProps = {
  list: StudyList
  filter: ListFilter
  change: (filter: ListFilter) => void
  organization: { oid: string; name: string }
}

function ListBody({ list, filter, change, organization }: BodyProps) {
  const translation = useTranslation()
  const { t } = translation
  const page = list.page.value
  const failure = list.failure.value
  if (page === undefined && failure !== undefined) {
    return (
      <Message
        icon="warning"
        title={t('listFailed')}
        text={errorText(failure, translation)}
        action={{ label: t('retry'), run: list.refresh }}
      />
    )
  }
  if (page === undefined) return <Skeleton />
  return (
    <>
      {failure !== undefined && (
        <p class="notice warning" role="status">
          <Icon name="warning" size={18} />
          {t('serverDown')}
        </p>
      )}
      {page.studies.length === 0 ? (
        <Empty filter={filter} change={change} />
      ) : (
        <div class="table-area" aria-busy={list.isLoading.value}>
          <StudyTable
            key={`${filter.scope} ${filter.page}`}
            studies={page.studies}
            scope={filter.scope}
            organization={organization}
          />
        </div>
      )}
      {(page.more || filter.page > 0) && (
        <Pager filter={filter} change={change} count={page.studies.length} more={page.more} />
      )}
    </>
  )
}

function Empty({ filter, change }: Pick<BodyProps, 'filter' | 'change'>) {
  const { searchText } = useApp()
  const { t } = useTranslation()
  if (!isNarrowed(filter, searchText.value) && filter.scope === 'own') {
    return <Message icon="inbox" title={t('emptyTitle')} text={t('emptyText')} />
  }
  const isOwn = filter.scope === 'own'
  const reset = () => {
    searchText.value = ''
    change({ ...everything, scope: filter.scope })
  }
  return (
    <Message
      icon="search"
      title={t('emptyFilteredTitle')}
      text={t(isOwn ? 'emptyFilteredOwn' : 'emptyFilteredRegion')}
      {...(isNarrowed(filter, searchText.value)
        ? { action: { label: t('resetFilters'), run: reset } }
        : {})}
    />
  )
}

function Skeleton() {
  const { t } = useTranslation()
  return (
    <div class="skeleton" role="status" aria-label={t('loadingList')}>
      {Array.from({ length: 12 }, (_, row) => (
        <i key={row} />
      ))}
    </div>
  )
}

type PagerProps = Pick<BodyProps, 'filter' | 'change'> & { count: number; more: boolean }

function Pager({ filter, change, count, more }: PagerProps) {
  const { t } = useTranslation()
  const first = filter.page * pageSize
  return (
    <nav class="pager">
      <span class="muted">{t('rangeShown', { from: first + 1, to: first + count })}</span>
      <button
        type="button"
        class="button"
        disabled={filter.page === 0}
        onClick={() => change({ ...filter, page: filter.page - 1 })}
      >
        {t('previousPage')}
      </button>
      <button
        type="button"
        class="button"
        disabled={!more}
        onClick={() => change({ ...filter, page: filter.page + 1 })}
      >
        {t('nextPage')}
      </button>
    </nav>
  )
}
