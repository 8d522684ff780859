import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestNode } from './http.fixture.ts'

test('who sends a wrong request learns which field is wrong, and no value of it comes back', async () => {
  await using node = await openTestNode()
  const secret = 'Иванов 1961'
  const device = { id: 'ct-1', aeTitle: secret.repeat(9), addresses: [secret] }
  for (const [method, path, body, detail] of [
    ['GET', `/api/referrals?limit=${secret}`, undefined, /^query\.limit: invalid_type$/],
    ['GET', `/api/referrals?${secret}=1`, undefined, /^query: unrecognized_keys$/],
    ['GET', `/api/referrals/${secret}`, undefined, /^path\.referral: \w+$/],
    ['PUT', '/api/devices/ct-1', device, /^body\.\w+: \w+$/],
    ['PUT', '/api/devices/ct-1', secret, /^body: invalid_type$/],
    ['POST', '/api/corrections', { reason: secret, [secret]: 1 }, /^body\.?\w*: \w+$/],
  ] as const) {
    const response = await fetch(`${node.url}${path}`, {
      method,
      headers: {
        ...node.as('mo_admin'),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    assert.equal(response.status, 400, `${method} ${path}: ${text}`)
    const { error } = JSON.parse(text) as { error: { code: string; detail?: string } }
    assert.equal(error.code, 'bad_request')
    assert.match(error.detail ?? '', detail)
    assert.doesNotMatch(text, /Иванов|%D0|1961/)
  }
})
