import { useState } from 'preact/hooks'
import { post } from './api.ts'
import { Failure, Field } from './frame.tsx'
import { useOrganizationName } from './organization-name.ts'
import { useAction, useDesk } from './use-desk.ts'

/** By which key the other side speaks, and whether a grant of ours names it. */
export type GrantKey =
  | { state: 'named' | 'revoked' }
  | { state: 'changed'; kid: string; digits: string }
type Given = { grantee: string; active: boolean; key?: GrantKey }
type Waiting = { grantee: string; kid: string; digits: string; count: number }

/** Organizations that were enrolled anew under another key: one confirmation for all grants to each. */
export function RenewalCards({
  given,
  onChanged,
}: {
  given: readonly Given[]
  onChanged: () => void
}) {
  const waiting = new Map<string, Waiting>()
  for (const { grantee, active, key } of given) {
    if (!active || key?.state !== 'changed') continue
    const { kid, digits } = key
    const count = (waiting.get(grantee)?.count ?? 0) + 1
    waiting.set(grantee, { grantee, kid, digits, count })
  }
  return (
    <>
      {[...waiting.values()].map((one) => (
        <Renewal key={`${one.grantee} ${one.kid}`} of={one} onChanged={onChanged} />
      ))}
    </>
  )
}

function Renewal({ of, onChanged }: { of: Waiting; onChanged: () => void }) {
  const { d, notice } = useDesk()
  const nameOf = useOrganizationName()
  const action = useAction()
  const [isCompared, setCompared] = useState(false)
  const [password, setPassword] = useState('')
  const { grantee, kid, digits, count } = of
  const confirm = () =>
    action.run(async () => {
      const body = { grantee, kid, password }
      const { jtis } = await post<{ jtis: string[] }>('/api/grants/renewals', body)
      notice.value = { text: d('renewed', { n: jtis.length }) }
      onChanged()
    })
  return (
    <form
      class="desk-card"
      data-testid="renewal"
      onSubmit={(event) => {
        event.preventDefault()
        void confirm()
      }}
    >
      <h2>{d('renewalTitle', { name: nameOf(grantee) })}</h2>
      <p>{d('renewalText', { n: count })}</p>
      <p>{d('renewalCompare')}</p>
      <p class="reading">
        <code data-testid="renewal-digits">{digits}</code>
      </p>
      <label class="check">
        <input
          type="checkbox"
          name="compared"
          checked={isCompared}
          onChange={({ currentTarget }) => setCompared(currentTarget.checked)}
        />
        <span>{d('renewalCompared')}</span>
      </label>
      <div class="desk-form">
        <Field label={d('renewalPassword')}>
          <input
            class="text"
            type="password"
            name="renewal-password"
            autocomplete="current-password"
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </Field>
      </div>
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button primary"
          data-testid="renewal-confirm"
          disabled={!isCompared || password === '' || action.isBusy}
        >
          {d('renewalConfirm')}
        </button>
      </div>
    </form>
  )
}
