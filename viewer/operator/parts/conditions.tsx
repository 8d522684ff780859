import { useState } from 'preact/hooks'
import { conditionCodes, conditions, type ConditionCode } from '#protocol/organization.ts'
import { type Organization, post } from '../api.ts'
import { useTexts } from '../desk.ts'
import type { Key } from '../texts/texts.ts'
import { DecisionDialog, Input, Select } from './act.tsx'

/** Section 7: what an organization still lacks. Only the operator vouches for a condition. */
export function Conditions({
  organization,
  mayAttest,
  onDone,
}: {
  organization: Organization
  mayAttest: boolean
  onDone: () => Promise<void>
}) {
  const texts = useTexts()
  const { t } = texts
  const { checklist, missing, card } = organization
  const [chosen, setChosen] = useState<ConditionCode | undefined>(undefined)
  return (
    <section class="card" data-testid="checklist">
      <h3>{t('checklist')}</h3>
      <p class={missing.length === 0 ? 'muted' : 'late'}>
        {missing.length === 0 ? t('nothingMissing') : t('missingOf', { n: missing.length })}
      </p>
      <ul class="checklist">
        {conditionCodes.map((code) => {
          const { state, basis, date, by } = checklist[code]
          return (
            <li key={code} class={missing.includes(code) ? 'is-missing' : 'is-done'}>
              <span class="mark" aria-hidden="true">
                {missing.includes(code) ? '○' : '✓'}
              </span>
              <div>
                <b>{code}</b> <span lang="ru">{conditions[code]}</span>
                <small>
                  {[
                    t(`condition_${state}`),
                    basis,
                    date === undefined ? undefined : texts.date(date),
                    by,
                  ]
                    .filter((one) => one !== undefined)
                    .join(' · ')}
                </small>
              </div>
              {mayAttest && (
                <button
                  type="button"
                  class="button small quiet"
                  aria-label={`${t('attest')}: ${code}`}
                  data-testid={`attest-${code}`}
                  onClick={() => setChosen(code)}
                >
                  {t('attest')}
                </button>
              )}
            </li>
          )
        })}
      </ul>
      {chosen !== undefined && (
        <Attest oid={card.oid} code={chosen} onDone={onDone} onClose={() => setChosen(undefined)} />
      )}
    </section>
  )
}

type AttestProps = {
  oid: string
  code: ConditionCode
  onDone: () => Promise<void>
  onClose: () => void
}

function Attest({ oid, code, onDone, onClose }: AttestProps) {
  const { t } = useTexts()
  const [state, setState] = useState('fulfilled')
  const [basis, setBasis] = useState('')
  const [date, setDate] = useState('')
  const states = ['fulfilled', 'missing', ...(code === 'J-4' ? ['not_required'] : [])]
  return (
    <DecisionDialog
      title={`${code}: ${conditions[code]}`}
      confirm={t('save')}
      onClose={onClose}
      onConfirm={async () => {
        await post(`/api/organizations/${oid}/checklist`, { code, state, basis, date })
        await onDone()
      }}
    >
      <Select
        name="state"
        label={t('attestState')}
        value={state}
        options={Object.fromEntries(states.map((one) => [one, t(`condition_${one}` as Key)]))}
        onInput={setState}
      />
      <Input name="basis" label={t('attestBasis')} value={basis} onInput={setBasis} />
      <Input name="date" label={t('attestDate')} value={date} onInput={setDate} />
    </DecisionDialog>
  )
}
