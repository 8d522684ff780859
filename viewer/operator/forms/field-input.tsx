import { useState } from 'preact/hooks'
import { useTexts } from '../desk.ts'
import type { NamedOrganization } from '../api.ts'
import type { Field } from './layout.ts'

type Props = {
  field: Field
  path: string
  value: unknown
  error: string | undefined
  comment: string | undefined
  /** Organizations to choose among. */
  organizations: readonly NamedOrganization[]
  onChange: (path: string, to: unknown) => void
  onLeave: (path: string) => void
}

/** One field of a form as people type it: texts stay texts until the registry reads them. */
export function FieldInput(props: Props) {
  const { field, path, error, comment } = props
  const { t } = useTexts()
  const isSet = field.kind === 'set' || field.kind === 'check'
  const isWide = field.kind === 'check' || field.kind === 'long'
  const Box = isSet ? 'div' : 'label'
  return (
    <Box class={isWide ? 'field wide' : 'field'} lang="ru">
      {field.kind !== 'check' && (
        <span>
          {field.label}
          {field.isOptional === true && <small> · {t('optional')}</small>}
        </span>
      )}
      <Control {...props} />
      {comment !== undefined && <p class="remark">{comment}</p>}
      {error !== undefined && (
        <small class="field-error" id={`${path}-error`}>
          {error}
        </small>
      )}
    </Box>
  )
}

function Control({ field, path, value, error, organizations, onChange, onLeave }: Props) {
  const given = {
    name: path,
    'aria-invalid': error !== undefined,
    'aria-describedby': error === undefined ? undefined : `${path}-error`,
    onBlur: () => onLeave(path),
  }
  if (field.kind === 'check') return <Check {...{ field, path, value, onChange, given }} />
  if (field.kind === 'set') return <Checks {...{ field, path, value, onChange, given }} />
  if (field.kind === 'choice' || field.kind === 'organization') {
    const options =
      field.kind === 'choice'
        ? Object.entries(field.options ?? {})
        : [['', ''] as const, ...organizations.map(({ oid, name }) => [oid, name] as const)]
    return (
      <select
        {...given}
        value={typeof value === 'string' ? value : ''}
        onChange={(event) => onChange(path, event.currentTarget.value)}
      >
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    )
  }
  if (field.kind === 'list') return <List {...{ path, value, onChange, given }} />
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  const typedIn = (raw: string) =>
    onChange(path, field.kind === 'year' && /^\d{4}$/.test(raw) ? Number(raw) : raw)
  return field.kind === 'long' ? (
    <textarea
      rows={2}
      {...given}
      value={text}
      onInput={(event) => typedIn(event.currentTarget.value)}
    />
  ) : (
    <input
      {...given}
      autocomplete="off"
      value={text}
      onInput={(event) => typedIn(event.currentTarget.value)}
    />
  )
}

type ListProps = Pick<Props, 'path' | 'value' | 'onChange'> & { given: object }

/** Several values in one line. What is typed stays as typed, the comma at its end too. */
function List({ path, value, onChange, given }: ListProps) {
  const [raw, setRaw] = useState(Array.isArray(value) ? value.join(', ') : '')
  return (
    <input
      {...given}
      autocomplete="off"
      value={raw}
      onInput={({ currentTarget }) => {
        setRaw(currentTarget.value)
        const parts = currentTarget.value.split(/[\s,;]+/).filter((one) => one !== '')
        onChange(path, parts.length === 0 ? undefined : parts)
      }}
    />
  )
}

type BoxProps = Pick<Props, 'field' | 'path' | 'value' | 'onChange'> & { given: object }

function Check({ field, path, value, onChange, given }: BoxProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        {...given}
        checked={value === true}
        onChange={(event) => onChange(path, event.currentTarget.checked ? true : undefined)}
      />
      <span>{field.label}</span>
    </label>
  )
}

function Checks({ field, path, value, onChange, given }: BoxProps) {
  const chosen = Array.isArray(value) ? (value as string[]) : []
  return (
    <div class="checks">
      {Object.entries(field.options ?? {}).map(([key, text]) => (
        <label key={key} class="check">
          <input
            type="checkbox"
            {...given}
            name={`${path}.${key}`}
            checked={chosen.includes(key)}
            onChange={(event) =>
              onChange(
                path,
                event.currentTarget.checked
                  ? [...chosen, key]
                  : chosen.filter((one) => one !== key),
              )
            }
          />
          <span>{text}</span>
        </label>
      ))}
    </div>
  )
}
