import { printName } from '#protocol/fields/full-name.ts'
import { printPhone } from '#protocol/fields/phone.ts'
import type { Form } from '../api.ts'
import { useTexts } from '../desk.ts'
import type { Texts } from '../texts/texts.ts'
import { valueAt } from './content.ts'
import { type Block, type Field, layouts } from './layout.ts'

/** Comments that are being written, by the path of the field; absent when the form is only read. */
export type Commenting = {
  comments: Record<string, string>
  set: (path: string, comment: string | undefined) => void
}

/** Everything that stands in the form, under the labels of the paper, with the remarks that belong to each field. */
type SheetProps = {
  form: Form
  /** Names of organizations by OID. */
  names: Map<string, string>
  commenting?: Commenting | undefined
}

export function Sheet({ form, names, commenting }: SheetProps) {
  const isShown = ({ fields, rows }: Block): boolean =>
    commenting !== undefined ||
    rows !== undefined ||
    fields.some((field) => isNeeded(form, field, field.path))
  return (
    <article class="sheet" lang="ru">
      {layouts[form.kind].filter(isShown).map((block) => (
        <section key={block.title}>
          <h3>{block.title}</h3>
          {instancesOf(block, form.content).map((prefix, at) => (
            <dl key={prefix} class={block.rows === undefined ? undefined : 'row'}>
              {block.rows !== undefined && <RowHead form={form} row={at + 1} />}
              {block.fields.map((field) => (
                <Entry
                  key={field.path}
                  field={field}
                  path={prefix + field.path}
                  form={form}
                  names={names}
                  commenting={commenting}
                />
              ))}
            </dl>
          ))}
        </section>
      ))}
    </article>
  )
}

/** `persons.0.`, `persons.1.`… of a table; the form itself otherwise. */
export function instancesOf({ rows }: Block, content: unknown): string[] {
  if (rows === undefined) return ['']
  const found = valueAt(content, rows)
  return Array.isArray(found) ? found.map((_, at) => `${rows}.${at}.`) : []
}

function RowHead({ form, row }: { form: Form; row: number }) {
  const { t } = useTexts()
  const state =
    form.kind === 'access_request' ? form.rows.find((one) => one.row === row)?.state : undefined
  return (
    <div class="row-head">
      <b>№ {row}</b>
      {state !== undefined && <span class={`status row-${state}`}>{t(`rowState_${state}`)}</span>}
    </div>
  )
}

/** An optional field that nobody filled in takes no place, unless something is said about it. */
const isNeeded = (form: Form, { isOptional }: Field, path: string): boolean =>
  isOptional !== true ||
  valueAt(form.content, path) !== undefined ||
  form.comments.some(({ field }) => field === path)

type EntryProps = { field: Field; path: string } & Pick<SheetProps, 'form' | 'names' | 'commenting'>

function Entry({ field, path, form, names, commenting }: EntryProps) {
  const texts = useTexts()
  const { t } = texts
  const value = shownValue(field, valueAt(form.content, path), texts)
  const name = names.get(value)
  const shown = name === undefined ? value : `${name} (${value})`
  const said = form.comments.filter((one) => one.field === path).map(({ comment }) => comment)
  const warned = (form.warnings ?? []).filter((one) => one.path === path)
  const writing = commenting?.comments[path]
  const isEmpty = shown === ''
  if (commenting === undefined && !isNeeded(form, field, path)) return null
  return (
    <div class={field.kind === 'check' ? 'entry sentence' : 'entry'}>
      <dt>{field.label}</dt>
      <dd class={isEmpty ? 'muted' : undefined}>{isEmpty ? '—' : shown}</dd>
      {warned.map(({ message }) => (
        <p key={message} class="remark warning">
          {message}
        </p>
      ))}
      {said.map((comment) => (
        <p key={comment} class="remark">
          {comment}
        </p>
      ))}
      {commenting !== undefined && writing === undefined && (
        <button
          type="button"
          class="button small"
          aria-label={`${t('comment')}: ${field.label}`}
          onClick={() => commenting.set(path, '')}
        >
          {t('comment')}
        </button>
      )}
      {commenting !== undefined && writing !== undefined && (
        <div class="commenting">
          <textarea
            rows={2}
            aria-label={`${t('comment')}: ${field.label}`}
            value={writing}
            ref={(element) => {
              if (writing === '') element?.focus()
            }}
            onInput={(event) => commenting.set(path, event.currentTarget.value)}
          />
          <button
            type="button"
            class="button small quiet"
            onClick={() => commenting.set(path, undefined)}
          >
            {t('removeRow')}
          </button>
        </div>
      )}
    </div>
  )
}

function shownValue({ kind, options, path }: Field, value: unknown, texts: Texts): string {
  if (value === undefined || value === null || value === '') return ''
  if (kind === 'check') return texts.t(value === true ? 'yes' : 'no')
  if (Array.isArray(value))
    return value.map((one) => options?.[String(one)] ?? String(one)).join(', ')
  if (typeof value === 'string') {
    return options?.[value] ?? (/date$|^valid/i.test(path) ? texts.date(value) : value)
  }
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object') return ''
  return 'last' in value ? printName(value as never) : printPhone(value as never)
}
