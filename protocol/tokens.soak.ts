import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFederation } from './federation.fixture.ts'
import { createMutations, createReplays } from './token-mutations.fixture.ts'
import { createSamples, flips, refusalOf } from './tokens.fixture.ts'
import { createChance, createTally, part, seed, volume } from './volume.fixture.ts'

const samples = await createSamples()
const refusals =
  /^(token_\w+|too_large|grant_mismatch|peer_mismatch|key_weak|log_\w+|rekey_unproven|possession_unproven)$/
/** Tokens that every test of this file has offered. */
const offered = { exhaustive: 0 }

/** At less than full volume one bit of so many, by a step that meets all the bits of a letter. */
const step = volume >= 1 ? 1 : 2 * Math.round(1 / volume / 2) + 1

for (const sample of samples) {
  test(`T11: ${sample.typ}: no changed bit is accepted`, async () => {
    for (const token of flips(sample.token, step)) {
      assert.match(await refusalOf(sample, token), refusals)
      offered.exhaustive += 1
    }
  })

  test(`T11: ${sample.typ}: no shortened or lengthened token is accepted`, async () => {
    for (let at = 0; at < sample.token.length; at += step) {
      const [before, after] = [sample.token.slice(0, at), sample.token.slice(at)]
      for (const token of [before, before + after.slice(1), `${before}A${after}`]) {
        assert.match(await refusalOf(sample, token), refusals)
        offered.exhaustive += 1
      }
    }
  })
}

test('T11: of two million changed, exchanged and replayed tokens none is accepted', async (t) => {
  const region = await createFederation()
  const chance = createChance(seed)
  const mutations = Object.entries(createMutations(region, samples))
  const lots = mutations.flatMap((one) => Array<typeof one>(one[1].weight).fill(one))
  const replays = Object.entries(createReplays(region))
  const kinds = createTally()
  const answers = createTally()
  const total = part(2_000_000)
  const begun = performance.now()
  const rest = Math.max(0, total - offered.exhaustive)
  for (let done = 0; done < rest; done++) {
    // One of fifty is a genuine token where it does not belong.
    const isReplay = done % 50 === 0
    const [name, refusal] = isReplay ? await replayed() : await changed()
    assert.match(refusal, refusals, `seed ${seed}, number ${done}: ${name}`)
    kinds.count(isReplay ? 'replay' : name)
    answers.count(refusal)
  }
  const seconds = (performance.now() - begun) / 1000
  t.diagnostic(
    `seed ${seed}: ${total} tokens, ${offered.exhaustive} of them exhaustive, 0 accepted`,
  )
  t.diagnostic(`${Math.round(rest / seconds)}/s; ${kinds.text()}; ${answers.text()}`)

  async function changed(): Promise<[string, string]> {
    const sample = chance.pick(samples)
    const [name, { make }] = chance.pick(lots)
    const token = await make(chance, sample)
    assert.notEqual(token, sample.token, name)
    return [name, await refusalOf(sample, token)]
  }
  async function replayed(): Promise<[string, string]> {
    const [name, replay] = chance.pick(replays)
    const verify = () => replay(chance)
    return [name, await refusalOf({ typ: 'cami-access+jwt', token: '', verify }, '')]
  }
})
