import { useLocation } from 'preact-iso'
import type { RefObject } from 'preact'
import { useRef, useState } from 'preact/hooks'
import type { Draft } from '#protocol/form.ts'
import { dayOf, printDate } from '#protocol/fields/dates.ts'
import { printPhone } from '#protocol/fields/phone.ts'
import {
  type Form,
  type FormKind,
  get,
  kindAt,
  type NamedOrganization,
  OfficeError,
  type Organization,
  organizationNames,
  placeOf,
  post,
} from '../api.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { errorsOf, pruned, typed, valueAt, withValue } from '../forms/content.ts'
import { FieldInput } from '../forms/field-input.tsx'
import { type Block, layouts, noticeOwner } from '../forms/layout.ts'
import { instancesOf } from '../forms/sheet.tsx'
import { Failure, Loading, useAct } from '../parts/act.tsx'

const blankEnrollment: Draft = {
  orgStamp: { kind: 'card' },
  persons: [{ responsibility: 'mo_admin' }],
  organization: {},
  requestedScope: ['proxy', 'cami'],
  headSignature: { kind: 'paper' },
}

/** A new form: № 1 and others' as they came on paper, or an organization's own № 4 and № 5. */
export function NewFormPage({ place = '' }: { place?: string }) {
  const kind = kindAt(place)
  const { t } = useTexts()
  const { organization: own } = useSession()
  const data = useLoad(() => startOf(kind, own), [place, own])
  return (
    <Loading of={data}>
      {({ draft, organizations }) => (
        <Editor
          key={place}
          kind={kind}
          draft={draft}
          organizations={organizations}
          title={t(own === undefined ? `paper_${kind}` : `kind_${kind}`)}
        />
      )}
    </Loading>
  )
}

/** What a new form says already: one's own organization writes its name but once. */
async function startOf(kind: FormKind, own: string | undefined) {
  const organizations = await organizationNames()
  if (own === undefined) {
    const draft: Draft =
      kind === 'enrollment' ? blankEnrollment : { ...blanks[kind], orgStamp: paperStamp }
    return { organizations, draft }
  }
  const { card } = await get<Organization>(`/api/organizations/${own}`)
  const { fullName: name, address, phone } = card
  const draft = {
    ...blanks[kind],
    orgStamp: { ...paperStamp, name, ...(address !== undefined && { address }) },
    documentDate: today(),
    ...(phone !== undefined && { contactPhone: printPhone(phone) }),
    ...(kind === 'access_request' && { holderOrg: own }),
  }
  return { organizations, draft: draft as Draft }
}

const paperStamp = { kind: 'card' } as const
const blanks: { [K in FormKind]: object } = {
  enrollment: blankEnrollment,
  device_notice: { devices: [{ deviceType: 'ct' }] },
  access_request: { users: [{}] },
}

const today = (): string => printDate(dayOf(Date.now()))

/** A draft, or a form that came back. */
export function EditPage({ place = '', id = '' }: { place?: string; id?: string }) {
  const { t } = useTexts()
  const data = useLoad(async () => {
    const [form, organizations] = await Promise.all([
      get<Form>(`/api/${place}/${id}`),
      organizationNames(),
    ])
    return { form, organizations }
  }, [place, id])
  return (
    <Loading of={data}>
      {({ form, organizations }) => (
        <Editor
          kind={kindAt(place)}
          draft={typed(form.content) as Draft}
          id={id}
          isReturned={form.status === 'needs_correction'}
          comments={form.comments}
          organizations={organizations}
          title={t('editTitle')}
        />
      )}
    </Loading>
  )
}

type EditorProps = {
  kind: FormKind
  draft: Draft
  title: string
  organizations: readonly NamedOrganization[]
  id?: string
  isReturned?: boolean
  comments?: { field: string; comment: string }[]
}

/** Each field says what is wrong when it is left, by the registry's own rules; all of them when the form is submitted. */
function Editor(props: EditorProps) {
  const { kind, draft, title, organizations, id, isReturned = false, comments = [] } = props
  const { t } = useTexts()
  const { organization } = useSession()
  const form = useRef<HTMLFormElement>(null)
  const blocks = blocksOf(kind, { isNew: id === undefined, isOwn: organization !== undefined })
  const { content, setContent, touch, errors, isTried, errorAt, finish, act } = useEditing(
    { kind, draft, id, isReturned, blocks },
    form,
  )
  return (
    <form
      ref={form}
      class="page editor"
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        void finish(true)
      }}
    >
      <div class="page-head">
        <a href={id === undefined ? '/' : `/forms/${placeOf[kind]}/${id}`} class="button quiet">
          ← {t('back')}
        </a>
        <h1>{title}</h1>
      </div>
      <div class="editor-body">
        {blocks.map((block) => (
          <Group
            key={block.title}
            block={block}
            content={content}
            organizations={organizations}
            errorAt={errorAt}
            commentAt={(path) => comments.find(({ field }) => field === path)?.comment}
            onChange={(path, to) => setContent(withValue(content, path, to) as Draft)}
            onLeave={touch}
          />
        ))}
      </div>
      <footer class="editor-foot">
        {isTried && errors.length > 0 && (
          <p class="form-error" role="alert">
            {t('fieldsWrong', { n: errors.length })}
          </p>
        )}
        <Failure error={act.error} />
        <button
          type="button"
          class="button"
          disabled={act.isBusy}
          onClick={() => void finish(false)}
        >
          {t('saveDraft')}
        </button>
        <button class="button primary" data-testid="submit-form" disabled={act.isBusy}>
          {t(act.isBusy ? 'working' : 'saveAndSubmit')}
        </button>
      </footer>
    </form>
  )
}

/** Of a form № 4 from paper the operator says first whose it is. */
const blocksOf = (kind: FormKind, { isNew, isOwn }: { isNew: boolean; isOwn: boolean }): Block[] =>
  kind === 'device_notice' && isNew && !isOwn ? [noticeOwner, ...layouts[kind]] : layouts[kind]

type Editing = Pick<EditorProps, 'kind' | 'draft'> & {
  id: string | undefined
  isReturned: boolean
  blocks: readonly Block[]
}

function useEditing(
  { kind, draft, id, isReturned, blocks }: Editing,
  form: RefObject<HTMLFormElement | null>,
) {
  const { route } = useLocation()
  const [content, setContent] = useState(draft)
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set())
  const [isTried, setTried] = useState(false)
  const saved = useRef(id)
  const act = useAct()
  const fromServer = act.error instanceof OfficeError ? act.error.fields : []
  const { t } = useTexts()
  const isOwnerMissing =
    blocks.includes(noticeOwner) && valueAt(content, 'organization') === undefined
  const errors = [
    ...(isOwnerMissing ? [{ path: 'organization', message: t('chooseOrganization') }] : []),
    ...errorsOf(kind, content, Date.now()),
  ]
  const errorAt = (path: string): string | undefined =>
    isTried || touched.has(path)
      ? [...errors, ...fromServer].find((one) => one.path === path || isWhole(one.path, path))
          ?.message
      : undefined
  const save = async () => {
    const body = { content: pruned(content) }
    const path = `/api/${placeOf[kind]}`
    if (saved.current === undefined) saved.current = (await post<Form>(path, body)).id
    else await post(`${path}/${saved.current}/actions`, { type: 'edit', ...body })
  }
  const finish = async (isSubmitting: boolean) => {
    setTried(isSubmitting)
    if (isSubmitting && errors.length > 0) {
      requestAnimationFrame(() =>
        form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(),
      )
      return
    }
    const isDone = await act.run(async () => {
      await save()
      const type = isReturned ? 'resubmit' : 'submit'
      if (isSubmitting) await post(`/api/${placeOf[kind]}/${saved.current}/actions`, { type })
    })
    if (isDone) route(`/forms/${placeOf[kind]}/${saved.current}`)
  }
  const touch = (path: string) => setTouched(new Set([...touched, path]))
  return { content, setContent, touch, errors, isTried, errorAt, finish, act }
}

/** A rule that speaks of a part as a whole (a name, a phone) belongs to the part's one field. */
const isWhole = (errorPath: string, path: string): boolean =>
  errorPath.startsWith(`${path}.`) && !/\.\d+\./.test(errorPath.slice(path.length))

type GroupProps = {
  block: Block
  content: Draft
  organizations: readonly NamedOrganization[]
  errorAt: (path: string) => string | undefined
  commentAt: (path: string) => string | undefined
  onChange: (path: string, to: unknown) => void
  onLeave: (path: string) => void
}

function Group(props: GroupProps) {
  const { block, content, organizations, errorAt, commentAt, onChange, onLeave } = props
  const { t } = useTexts()
  const { rows, blank = {} } = block
  const table = rows === undefined ? [] : ((valueAt(content, rows) as unknown[] | undefined) ?? [])
  const whole = rows === undefined ? undefined : errorAt(rows)
  return (
    <fieldset class="group">
      <legend lang="ru">{block.title}</legend>
      {instancesOf(block, content).map((prefix, at) => (
        <div key={prefix} class={rows === undefined ? 'grid' : 'grid row'}>
          {rows !== undefined && (
            <div class="row-head">
              <b>№ {at + 1}</b>
              {table.length > 1 && (
                <button
                  type="button"
                  class="button small quiet"
                  onClick={() =>
                    onChange(
                      rows,
                      table.filter((_, index) => index !== at),
                    )
                  }
                >
                  {t('removeRow')}
                </button>
              )}
            </div>
          )}
          {block.fields.map((field) => (
            <FieldInput
              key={field.path}
              field={field}
              path={prefix + field.path}
              value={valueAt(content, prefix + field.path)}
              error={errorAt(prefix + field.path)}
              comment={commentAt(prefix + field.path)}
              organizations={organizations}
              onChange={onChange}
              onLeave={onLeave}
            />
          ))}
        </div>
      ))}
      {whole !== undefined && <p class="field-error">{whole}</p>}
      {rows !== undefined && (
        <button
          type="button"
          class="button small"
          onClick={() => onChange(rows, [...table, blank])}
        >
          {t('addRow')}
        </button>
      )}
    </fieldset>
  )
}
