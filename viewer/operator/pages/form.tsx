import type { ComponentChildren } from 'preact'
import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import {
  type Activation,
  allNotices,
  allOrganizations,
  get,
  kindAt,
  organizationNames,
  post,
  sideOf,
  type Form,
  type Organization,
} from '../api.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { Decision } from '../forms/decisions.tsx'
import { offersOf, turnOf, type ActionType, type Offer } from '../forms/offers.ts'
import { type Commenting, Sheet } from '../forms/sheet.tsx'
import { Failure, Loading, Status, useAct } from '../parts/act.tsx'
import { Attachments, History, Notices } from '../parts/records.tsx'
import { Links } from '../parts/links.tsx'
import { useStateOf } from '../state-of.ts'
import { Age, inboxMs, nextText } from './inbox.tsx'

/** One form: the paper on the left; where it stands and what can be done on the right. */
export function FormPage({ place = '', id = '' }: { place?: string; id?: string }) {
  const kind = kindAt(place)
  const data = useLoad(
    async () => {
      const [form, organizations, notices] = await Promise.all([
        get<Form>(`/api/${place}/${id}`),
        allOrganizations(),
        allNotices(),
      ])
      const names = await organizationNames()
      const own = notices.filter(({ source }) => source === id)
      return { form: { ...form, kind } as Form, organizations, names, notices: own }
    },
    [place, id],
    inboxMs,
  )
  const [links, setLinks] = useStateOf<Activation[]>(`${place}/${id}`, [])
  return (
    <>
      {links.length > 0 && <Links links={links} onClose={() => setLinks([])} />}
      <Loading of={data}>
        {({ form, organizations, names, notices }) => (
          <FormView
            form={form}
            organizations={organizations}
            names={new Map(names.map(({ oid, name }) => [oid, name]))}
            place={place}
            onDone={async (made) => {
              setLinks(made)
              await data.reload()
            }}
          >
            <Notices notices={notices} onDone={data.reload} />
          </FormView>
        )}
      </Loading>
    </>
  )
}

type ViewProps = {
  form: Form
  organizations: Organization[]
  /** Of all organizations, by OID. */
  names: Map<string, string>
  place: string
  onDone: (activations: Activation[]) => Promise<void>
  children: ComponentChildren
}

function FormView({ form, organizations, names, place, onDone, children }: ViewProps) {
  const texts = useTexts()
  const { t } = texts
  const session = useSession()
  const { route } = useLocation()
  const [chosen, setChosen] = useState<ActionType | undefined>(undefined)
  const [comments, setComments] = useState<Record<string, string> | undefined>(undefined)
  const offers = offersOf(form, { session, organizations, now: Date.now() })
  const choose = (type: ActionType) => {
    if (type === 'edit') route(`/forms/${place}/${form.id}/edit`)
    else if (type === 'return_for_correction') setComments({})
    else setChosen(type)
  }
  return (
    <div class="page form-page">
      <div class="page-head">
        <a href="/" class="button quiet">
          ← {t('inbox')}
        </a>
        <h1>{t(`kind_${form.kind}`)}</h1>
        <Status of={form.status}>{t(`status_${form.status}`)}</Status>
        <span class="muted">{reference(form, texts)}</span>
        <Age form={form} />
        <a
          class="button end"
          href={`/api/${place}/${form.id}/pdf`}
          target="_blank"
          rel="noreferrer"
        >
          {t('pdf')}
        </a>
      </div>
      <div class="columns">
        <Sheet form={form} names={names} commenting={commentingOf(comments, setComments)} />
        <aside class="side">
          {comments === undefined ? (
            <Next form={form} place={place} offers={offers} onChoose={choose} />
          ) : (
            <Returning
              form={form}
              place={place}
              comments={comments}
              onClose={() => setComments(undefined)}
              onDone={() => onDone([])}
            />
          )}
          {children}
          <Attachments
            attachments={form.attachments}
            path={`/api/${place}/${form.id}/attachments`}
            canAttach={offers.length > 0}
            onDone={() => onDone([])}
          />
          <History history={form.history} name={(action) => `did_${action}`} />
        </aside>
      </div>
      {chosen !== undefined && (
        <Decision form={form} type={chosen} onDone={onDone} onClose={() => setChosen(undefined)} />
      )}
    </div>
  )
}

function reference(form: Form, { t, date }: ReturnType<typeof useTexts>): string {
  const { number, incoming, version } = form
  return [
    number === undefined ? t('noNumber') : t('number', { no: number }),
    ...(incoming === undefined
      ? []
      : [t('incomingOf', { no: incoming.no, date: date(incoming.date) })]),
    ...(version > 1 ? [t('version', { n: version })] : []),
  ].join(' · ')
}

const primary = new Set<ActionType>([
  'confirm',
  'submit',
  'resubmit',
  'register',
  'approve',
  'issue_notice',
])
const hard = new Set<ActionType>(['refuse', 'revoke', 'withdraw'])

type NextProps = {
  form: Form
  place: string
  offers: Offer[]
  onChoose: (type: ActionType) => void
}

/** What is next, and why something that would be next cannot be done yet. */
function Next({ form, place, offers, onChoose }: NextProps) {
  const texts = useTexts()
  const { t } = texts
  const session = useSession()
  const blocked = offers.filter(({ refusal }) => refusal !== undefined)
  return (
    <section class="card next">
      <h3>{t('nextStep')}</h3>
      <p>
        {turnOf(form, session) === 'nobody' && form.status !== 'refused'
          ? t('nothingToDo')
          : nextText(form, texts, sideOf(session))}
      </p>
      {blocked.length > 0 && (
        <ul class="blocked">
          {blocked.map(({ type, refusal }) => (
            <li key={type}>
              <b>
                {t('notYet')}: {t(`action_${type}`).toLowerCase()}.
              </b>{' '}
              {refusal !== undefined && t(`refusal_${refusal}`)}
            </li>
          ))}
        </ul>
      )}
      <div class="actions">
        {offers.map(({ type, refusal }) => (
          <button
            key={type}
            type="button"
            data-testid={`act-${type}`}
            class={`button ${primary.has(type) ? 'primary' : hard.has(type) ? 'danger-quiet' : ''}`}
            disabled={refusal !== undefined}
            onClick={() => onChoose(type)}
          >
            {t(`action_${type}`)}
          </button>
        ))}
        {form.status === 'refused' && session.roles.some((role) => writers.includes(role)) && (
          <Reapply place={place} id={form.id} />
        )}
      </div>
    </section>
  )
}

/** A head confirms what others write. */
const writers = ['mo_admin', 'consult_organizer', 'cami_operator', 'cami_admin']

/** A refused form is over; a new one begins with what it said. */
function Reapply({ place, id }: { place: string; id: string }) {
  const { t } = useTexts()
  const { route } = useLocation()
  const act = useAct()
  const begin = () =>
    act.run(async () => {
      const next = await post<Form>(`/api/${place}/${id}/reapply`)
      route(`/forms/${place}/${next.id}/edit`)
    })
  return (
    <>
      <button type="button" class="button" disabled={act.isBusy} onClick={() => void begin()}>
        {t('reapply')}
      </button>
      <Failure error={act.error} />
    </>
  )
}

function commentingOf(
  comments: Record<string, string> | undefined,
  set: (comments: Record<string, string>) => void,
): Commenting | undefined {
  if (comments === undefined) return undefined
  return {
    comments,
    set(path, comment) {
      const { [path]: _, ...others } = comments
      set(comment === undefined ? others : { ...others, [path]: comment })
    },
  }
}

type ReturningProps = {
  form: Form
  place: string
  comments: Record<string, string>
  onClose: () => void
  onDone: () => Promise<void>
}

function Returning({ form, place, comments, onClose, onDone }: ReturningProps) {
  const { t } = useTexts()
  const act = useAct()
  const written = Object.entries(comments)
    .map(([field, comment]) => ({ field, comment: comment.trim() }))
    .filter(({ comment }) => comment !== '')
  const send = () =>
    post(`/api/${place}/${form.id}/actions`, { type: 'return_for_correction', comments: written })
  return (
    <section class="card next sticky">
      <h3>{t('action_return_for_correction')}</h3>
      <p>{t('returnHint')}</p>
      <p>
        <b>{t('commentCount', { n: written.length })}</b>
      </p>
      <Failure error={act.error} />
      <div class="actions">
        <button
          type="button"
          class="button primary"
          data-testid="confirm-return"
          disabled={written.length === 0 || act.isBusy}
          onClick={() =>
            void act.run(send).then(async (isDone) => {
              if (!isDone) return
              onClose()
              await onDone()
            })
          }
        >
          {t('action_return_for_correction')}
        </button>
        <button type="button" class="button" onClick={onClose}>
          {t('cancel')}
        </button>
      </div>
    </section>
  )
}
