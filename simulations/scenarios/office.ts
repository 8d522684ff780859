import { signIn, type Client } from '../client.ts'
import type { Region } from '../region.ts'

/** What the operator does in a region, by the registry's JSON API. */
export type Office = {
  operator: Client
  /** A POST that must succeed. */
  must<T>(path: string, body: unknown): Promise<T>
  /** Proposes and imposes a restriction of ЦАМИ; gives what reports the remedy, proves it and lifts it. */
  restrict(key: string): Promise<() => Promise<void>>
}

export async function signInAtOffice(region: Region): Promise<Office> {
  const { url, accounts } = region.description.registry
  const staff = accounts.find(({ role }) => role === 'cami_operator')
  if (staff === undefined) throw new Error('the registry has no operator')
  const operator = await signIn(url, staff)
  const must = async <T>(path: string, body: unknown): Promise<T> => {
    const answer = await operator.post(path, body)
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
  return {
    operator,
    must,
    async restrict(key) {
      const { id } = await must<{ id: string }>('/api/restrictions', {
        organization: region.node(key).organization.oid,
        scope: 'cami',
        level: 'no_consult',
        clause: '8.2.3',
        reason: 'пароли записаны на мониторе',
        remedy: 'сменить пароли',
        start: '25.11.2026',
      })
      const act = (body: object) => must(`/api/restrictions/${id}/actions`, body)
      await act({ type: 'impose' })
      return async () => {
        await act({ type: 'report_remedy', text: 'пароли сменены' })
        const proof = `/api/restrictions/${id}/attachments?as=proof&name=act.pdf`
        const answer = await fetch(`${url}${proof}`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${operator.token}`,
            'content-type': 'application/pdf',
          },
          body: `%PDF-1.4\n${'x'.repeat(1000)}`,
        })
        if (!answer.ok) throw new Error(`${proof}: ${answer.status}`)
        await act({ type: 'verify', text: 'проверено на месте' })
        await act({ type: 'lift' })
      }
    },
  }
}
