import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createFederation, now } from '#protocol/federation.fixture.ts'
import { trustListKind } from '#protocol/trust-list.ts'
import { decodeToken } from '#protocol/jws.ts'
import { openCredentials } from './credentials.ts'
import { nowhere } from './store/nowhere.fixture.ts'

/** Credentials whose journal takes the first write and keeps it waiting. */
async function openSlow() {
  const { sign, holder, grantee } = await createFederation()
  const trustList = decodeToken(await sign.trustList(), trustListKind).claims
  const release = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  let writes = 0
  const credentials = await openCredentials({
    store: nowhere,
    trust: { token: () => '', list: () => trustList, replace: async () => undefined },
    clock: () => now,
    journal: {
      async write() {
        writes++
        if (writes > 1) return
        begun.resolve()
        await release.promise
      },
    },
  })
  return { credentials, sign, holder, grantee, begun: begun.promise, release: release.resolve }
}

const settled = async (): Promise<void> => {
  for (let at = 0; at < 20; at++) await new Promise((resolve) => void setImmediate(resolve))
}

test('of two credentials that are published at once the later stays, whichever is written first', async () => {
  const { credentials, sign, holder, begun, release } = await openSlow()
  const iat = now / 1000
  const older = await sign.credential(holder, { iat: iat - 7200, nbf: iat - 7200 })
  const newer = await sign.credential(holder, { iat: iat - 3600, nbf: iat - 3600 })
  const first = credentials.publish(older)
  await begun
  const second = credentials.publish(newer)
  await settled()
  release()
  await Promise.all([first, second])
  assert.equal(credentials.organization(holder.oid)?.credential, newer)
})

test('a key does not become that of two organizations that are published at once', async () => {
  const { credentials, sign, holder, grantee, begun, release } = await openSlow()
  const { peerId, jwk } = holder
  const first = credentials.publish(await sign.credential(holder))
  await begun
  const same = await sign.credential(grantee, { peer_id: peerId, cnf: { jwk } })
  const second = assert.rejects(credentials.publish(same), { code: 'conflict' })
  await settled()
  release()
  await Promise.all([first, second])
})
