import { useLocation } from 'preact-iso'
import { conditions } from '#protocol/organization.ts'
import { useState } from 'preact/hooks'
import { Icon } from '../../parts/icons.tsx'
import { Message } from '../../parts/message.tsx'
import { allDevices, allForms, allOrganizations, type Federation, get } from '../api.ts'
import { useLoad, useTexts } from '../desk.ts'
import { Loading, Status } from '../parts/act.tsx'
import { NodeState } from '../parts/node-state.tsx'

async function loadRows() {
  const [organizations, devices, forms, federation] = await Promise.all([
    allOrganizations(),
    allDevices(),
    allForms(),
    get<Federation>('/api/federation'),
  ])
  const inForce = forms.filter(
    (form) => form.kind === 'access_request' && form.status === 'effective',
  )
  const rows = organizations.map((one) => {
    const { oid } = one.card
    return {
      ...one,
      member: federation.members.find(({ organization }) => organization === oid),
      devices: devices.filter(
        ({ organization, status }) => organization === oid && status !== 'decommissioned',
      ).length,
      given: inForce.filter((form) => 'holder' in form && form.holder === oid).length,
      received: inForce.filter(({ content }) => content['granteeOrg'] === oid).length,
    }
  })
  return rows.sort((a, b) => a.card.fullName.localeCompare(b.card.fullName, 'ru'))
}
type Row = Awaited<ReturnType<typeof loadRows>>[number]

/** Who takes part, what each still lacks, and whether its node is there. */
export function OrganizationsPage() {
  const { t } = useTexts()
  const [wanted, setWanted] = useState('')
  const data = useLoad(loadRows, [])
  const fits = ({ card }: { card: { fullName: string; oid: string } }) =>
    `${card.fullName} ${card.oid}`.toLowerCase().includes(wanted.trim().toLowerCase())
  return (
    <Loading of={data}>
      {(rows) =>
        rows.length === 0 ? (
          <Message
            icon="building"
            title={t('organizationsEmpty')}
            text={t('organizationsEmptyText')}
          />
        ) : (
          <div class="page">
            <div class="filters">
              <label class="search">
                <Icon name="search" size={18} />
                <input
                  type="search"
                  placeholder={t('find')}
                  aria-label={t('find')}
                  value={wanted}
                  onInput={(event) => setWanted(event.currentTarget.value)}
                />
              </label>
            </div>
            <div class="table-area">
              <table class="rows">
                <thead>
                  <tr>
                    {(
                      [
                        'organization',
                        'state',
                        'missing',
                        'node',
                        'devices',
                        'given',
                        'received',
                      ] as const
                    ).map((name) => (
                      <th key={name}>{t(`column_${name}`)}</th>
                    ))}
                  </tr>
                </thead>
                <tbody data-testid="organizations">
                  {rows.filter(fits).map((row) => (
                    <OrganizationRow key={row.card.oid} row={row} />
                  ))}
                </tbody>
              </table>
            </div>
          </div>
        )
      }
    </Loading>
  )
}

function OrganizationRow({ row }: { row: Row }) {
  const { t } = useTexts()
  const { route } = useLocation()
  const { card, state, missing, member, ...counts } = row
  return (
    <tr onClick={() => route(`/organizations/${card.oid}`)}>
      <td>
        <a href={`/organizations/${card.oid}`}>{card.fullName}</a>
        <small>{card.oid}</small>
      </td>
      <td>
        <Status of={state}>{t(`state_${state}`)}</Status>
      </td>
      <td title={missing.map((code) => `${code}: ${conditions[code]}`).join('\n')}>
        {missing.length === 0 ? t('nothingMissing') : missing.join(', ')}
      </td>
      <td>
        <NodeState member={member} />
      </td>
      <td class="number">{counts.devices}</td>
      <td class="number">{counts.given}</td>
      <td class="number">{counts.received}</td>
    </tr>
  )
}
