import { useState } from 'preact/hooks'
import { isInForce, type Restriction } from '#protocol/restriction.ts'
import {
  allCitos,
  allGrants,
  allRestrictions,
  type Cito,
  type Federation,
  type Grant,
  get,
  organizationNames,
  post,
  sideOf,
} from '../api.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { DecisionDialog, Input, Loading, Select, Status } from './act.tsx'

/** Whose studies could be left open, and who would see them. */
type Holder = { oid: string; name: string; people: number }

async function load(oid: string, isOperator: boolean) {
  const [cito, named] = await Promise.all([allCitos(), organizationNames()])
  const names = new Map(named.map((one) => [one.oid, one.name]))
  const given = { all: cito.filter((one) => one.organization === oid || one.holder === oid), names }
  if (!isOperator) return { ...given, holders: [], isLoginClosed: false }
  const [federation, grants, restrictions] = await Promise.all([
    get<Federation>('/api/federation'),
    allGrants(),
    allRestrictions(),
  ])
  return {
    ...given,
    holders: holdersFor(oid, federation, grants),
    isLoginClosed: restrictions.some((one) => one.organization === oid && closesLogin(one)),
  }
}

const closesLogin = (one: Restriction): boolean =>
  isInForce(one) && one.scope !== 'cami' && one.level === 'no_login'

/** Those that this organization has access to come first. */
function holdersFor(oid: string, { members }: Federation, grants: Grant[]): Holder[] {
  return members
    .filter((one) => one.organization !== oid && !one.isSuspended && !one.isRevoked)
    .map(({ organization, name }) => {
      const users = grants
        .filter((one) => one.isActive && one.holder === organization && one.grantee === oid)
        .flatMap((grant) => grant.users.map(({ uid }) => uid))
      return { oid: organization, name, people: new Set(users).size }
    })
    .sort((a, b) => b.people - a.people || a.name.localeCompare(b.name, 'ru'))
}

/** What is left open to an organization that is suspended, or of one to such; the operator opens and closes it. */
export function Citos({ oid, mayOpen }: { oid: string; mayOpen: boolean }) {
  const { t } = useTexts()
  const isOperator = sideOf(useSession()) === 'operator'
  const [isOpening, setOpening] = useState(false)
  const data = useLoad(() => load(oid, isOperator), [oid])
  return (
    <section class="card" data-testid="citos">
      <h3>{t('cito')}</h3>
      <p class="muted">{t('citoText')}</p>
      <Loading of={data}>
        {({ all, names, holders, isLoginClosed }) => (
          <>
            {all.length === 0 && <p class="muted">{t('citoNone')}</p>}
            <ul class="plain">
              {all.map((one) => (
                <Row key={one.id} cito={one} oid={oid} names={names} onDone={data.reload} />
              ))}
            </ul>
            {isOperator && mayOpen && (
              <div class="actions">
                <button
                  type="button"
                  class="button small"
                  data-testid="cito-open"
                  onClick={() => setOpening(true)}
                >
                  {t('citoOpen')}
                </button>
              </div>
            )}
            {isOpening && (
              <Open
                oid={oid}
                holders={holders}
                isLoginClosed={isLoginClosed}
                onDone={data.reload}
                onClose={() => setOpening(false)}
              />
            )}
          </>
        )}
      </Loading>
    </section>
  )
}

type RowProps = {
  cito: Cito
  oid: string
  names: Map<string, string>
  onDone: () => Promise<void>
}

function Row({ cito, oid, names, onDone }: RowProps) {
  const { t, moment } = useTexts()
  const isOperator = sideOf(useSession()) === 'operator'
  const [isClosing, setClosing] = useState(false)
  const { id, organization, holder, study, until, withdrawnAt, isOpen, reason } = cito
  const other = organization === oid ? holder : organization
  const state = isOpen
    ? t('citoUntil', { at: moment(until) })
    : withdrawnAt === undefined
      ? t('citoOver', { at: moment(until) })
      : t('citoWithdrawn', { at: moment(withdrawnAt) })
  return (
    <li data-testid="cito">
      {names.get(other) ?? other} <Status of={isOpen ? 'submitted' : ''}>{state}</Status>
      <small>
        <code>{study}</code>
      </small>
      {reason !== undefined && <small>{reason}</small>}
      {isOperator && isOpen && (
        <button
          type="button"
          class="button small danger-quiet"
          data-testid="cito-close"
          onClick={() => setClosing(true)}
        >
          {t('citoWithdraw')}
        </button>
      )}
      {isClosing && (
        <DecisionDialog
          title={t('citoWithdraw')}
          confirm={t('citoWithdraw')}
          isDanger
          onClose={() => setClosing(false)}
          onConfirm={async () => {
            await post(`/api/cito/${id}/withdrawal`)
            await onDone()
          }}
        >
          <p class="notice">{t('citoWithdrawText')}</p>
        </DecisionDialog>
      )}
    </li>
  )
}

type OpenProps = {
  oid: string
  holders: Holder[]
  isLoginClosed: boolean
  onDone: () => Promise<void>
  onClose: () => void
}

function Open({ oid, holders, isLoginClosed, onDone, onClose }: OpenProps) {
  const { t } = useTexts()
  const [input, setInput] = useState({ holder: holders[0]?.oid ?? '', study: '', reason: '' })
  const set = (name: keyof typeof input) => (value: string) => setInput({ ...input, [name]: value })
  const study = input.study.trim()
  const isWhole = /^[0-9.]{1,64}$/.test(study) && input.reason.trim().length >= 20
  const labelOf = ({ name, people }: Holder): string =>
    people > 0 ? t('citoHolderPeople', { name, n: people }) : t('citoHolderNone', { name })
  return (
    <DecisionDialog
      title={t('citoOpen')}
      confirm={t('citoOpen')}
      isDisabled={!isWhole || input.holder === ''}
      onClose={onClose}
      onConfirm={async () => {
        await post('/api/cito', { organization: oid, ...input, study })
        await onDone()
      }}
    >
      <Select
        name="holder"
        label={t('citoHolder')}
        value={input.holder}
        options={Object.fromEntries(holders.map((one) => [one.oid, labelOf(one)]))}
        onInput={set('holder')}
      />
      <Input
        name="study"
        label={t('citoStudy')}
        hint={t('citoStudyHint')}
        value={input.study}
        onInput={set('study')}
      />
      <Input
        name="reason"
        isLong
        label={t('citoReason')}
        hint={t('citoReasonHint')}
        value={input.reason}
        onInput={set('reason')}
      />
      <Consequences
        people={holders.find((one) => one.oid === input.holder)?.people ?? 0}
        isLoginClosed={isLoginClosed}
      />
    </DecisionDialog>
  )
}

function Consequences({ people, isLoginClosed }: { people: number; isLoginClosed: boolean }) {
  const { t } = useTexts()
  return (
    <section class="preview" data-testid="preview">
      <h3>{t('consequences')}</h3>
      <ul>
        <li>{people > 0 ? t('citoWho', { n: people }) : <b>{t('citoNobody')}</b>}</li>
        {isLoginClosed && (
          <li>
            <b>{t('citoLogin')}</b>
          </li>
        )}
        <li>{t('citoRest')}</li>
        <li>{t('citoEnds')}</li>
        <li>{t('citoTold')}</li>
      </ul>
    </section>
  )
}
