import type { ComponentChildren } from 'preact'
import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import {
  type Activation,
  allNotices,
  allOrganizations,
  get,
  kindAt,
  post,
  type Form,
  type Organization,
} from '../api.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { Decision } from '../forms/decisions.tsx'
import { actorOf, offersOf, turnOf, type ActionType, type Offer } from '../forms/offers.ts'
import { type Commenting, Sheet } from '../forms/sheet.tsx'
import { Failure, Loading, Status, useAct } from '../parts/act.tsx'
import { Attachments, History, Notices } from '../parts/records.tsx'
import { Links } from '../parts/links.tsx'
import { Age, nextText } from './inbox.tsx'

/** One form: the paper on the left; where it stands and what can be done on the right. */
export function FormPage({ place = '', id = '' }: { place?: string; id?: string }) {
  const kind = kindAt(place)
  const data = useLoad(async () => {
    const [form, organizations, notices] = await Promise.all([
      get<Form>(`/api/${place}/${id}`),
      allOrganizations(),
      allNotices(),
    ])
    const own = notices.filter(({ source }) => source === id)
    return { form: { ...form, kind } as Form, organizations, notices: own }
  }, [place, id])
  const [links, setLinks] = useState<Activation[]>([])
  return (
    <>
      {links.length > 0 && <Links links={links} onClose={() => setLinks([])} />}
      <Loading of={data}>
        {({ form, organizations, notices }) => (
          <FormView
            form={form}
            organizations={organizations}
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
  place: string
  onDone: (activations: Activation[]) => Promise<void>
  children: ComponentChildren
}

function FormView({ form, organizations, place, onDone, children }: ViewProps) {
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
        <Sheet
          form={form}
          names={new Map(organizations.map(({ card }) => [card.oid, card.fullName]))}
          commenting={commentingOf(comments, setComments)}
        />
        <aside class="side">
          {comments === undefined ? (
            <Next form={form} offers={offers} onChoose={choose} />
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
            canAttach={offers.length > 0 && actorOf(session).role !== 'system'}
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

const primary = new Set<ActionType>(['submit', 'resubmit', 'register', 'approve', 'issue_notice'])
const hard = new Set<ActionType>(['refuse', 'revoke', 'withdraw'])

type NextProps = { form: Form; offers: Offer[]; onChoose: (type: ActionType) => void }

/** What is next, and why something that would be next cannot be done yet. */
function Next({ form, offers, onChoose }: NextProps) {
  const texts = useTexts()
  const { t } = texts
  const blocked = offers.filter(({ refusal }) => refusal !== undefined)
  return (
    <section class="card next">
      <h3>{t('nextStep')}</h3>
      <p>{turnOf(form) === 'nobody' ? t('nothingToDo') : nextText(form, texts)}</p>
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
      </div>
    </section>
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
