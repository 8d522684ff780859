import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import type { Restriction } from '#protocol/restriction.ts'
import { post } from '../api.ts'
import { useTexts } from '../desk.ts'
import { DecisionDialog, Input, Select, Status } from './act.tsx'

type Given = { oid: string; restrictions: Restriction[]; mayPropose: boolean }

/** What is limited now and what was, and how a new restriction begins: as a proposal. */
export function Restrictions({ oid, restrictions, mayPropose }: Given) {
  const texts = useTexts()
  const { t } = texts
  const [isProposing, setProposing] = useState(false)
  return (
    <section class="card" data-testid="restrictions">
      <h3>{t('restrictions')}</h3>
      {restrictions.length === 0 && <p class="muted">{t('restrictionsNone')}</p>}
      <ul class="plain">
        {restrictions.map(({ id, number, status, scope, level, start }) => (
          <li key={id}>
            <a href={`/restrictions/${id}`}>№ {number}</a>{' '}
            <Status of={status}>{t(`restriction_${status}`)}</Status>
            <small>
              {t(`scope_${scope}`)}: {t(`level_${level}`)} ·{' '}
              {t('deviceStart', { date: texts.date(start) })}
            </small>
          </li>
        ))}
      </ul>
      {mayPropose && (
        <button
          type="button"
          class="button small"
          data-testid="propose"
          onClick={() => setProposing(true)}
        >
          {t('proposeRestriction')}
        </button>
      )}
      {isProposing && <Propose oid={oid} onClose={() => setProposing(false)} />}
    </section>
  )
}

const scopes = ['cami', 'proxy', 'both'] as const
const levels = ['no_consult', 'no_export', 'read_only', 'no_login'] as const

function Propose({ oid, onClose }: { oid: string; onClose: () => void }) {
  const { t } = useTexts()
  const { route } = useLocation()
  const [input, setInput] = useState({
    scope: 'cami',
    level: 'no_consult',
    clause: '',
    reason: '',
    remedy: '',
    start: '',
  })
  const set = (name: keyof typeof input) => (value: string) => setInput({ ...input, [name]: value })
  return (
    <DecisionDialog
      title={t('proposeRestriction')}
      confirm={t('proposeRestriction')}
      onClose={onClose}
      onConfirm={async () => {
        const { id } = await post<{ id: string }>('/api/restrictions', {
          organization: oid,
          ...input,
        })
        route(`/restrictions/${id}`)
      }}
    >
      <p class="notice">{t('proposeText')}</p>
      <div class="pair">
        <Select
          name="scope"
          label={t('scope')}
          value={input.scope}
          options={Object.fromEntries(scopes.map((one) => [one, t(`scope_${one}`)]))}
          onInput={set('scope')}
        />
        <Select
          name="level"
          label={t('level')}
          value={input.level}
          options={Object.fromEntries(levels.map((one) => [one, t(`level_${one}`)]))}
          onInput={set('level')}
        />
      </div>
      <div class="pair">
        <Input name="clause" label={t('clause')} value={input.clause} onInput={set('clause')} />
        <Input name="start" label={t('start')} value={input.start} onInput={set('start')} />
      </div>
      <Input
        name="reason"
        isLong
        label={t('restrictionReason')}
        value={input.reason}
        onInput={set('reason')}
      />
      <Input
        name="remedy"
        isLong
        label={t('remedy')}
        value={input.remedy}
        onInput={set('remedy')}
      />
    </DecisionDialog>
  )
}
