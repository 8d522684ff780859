import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { fieldErrors } from '#protocol/fields/text.ts'
import { Draft } from '#protocol/form.ts'
import { refuse } from '#protocol/life-cycle.ts'
import type { Context, Living, Outcome } from '#protocol/life-cycle.ts'
import { FormRefused } from './office.ts'
import type { By, Office } from './office.ts'
import { createRows } from './rows.ts'
import type { Write } from './store/store.ts'

/** Things of one kind with a life cycle: kept, audited, and moved by its pure function alone. */
export type Desk<T, A, E> = {
  find(id: string): Promise<T | undefined>
  /** Throws `not_found`. */
  get(id: string): Promise<T>
  all(): Promise<T[]>
  add(thing: T, by: By, writes?: readonly Write[]): Promise<T>
  /** One step; `prepare` runs in the same turn and may add to the action what only the registry can give. */
  act(id: string, action: A | Prepare<T, A>, by: By): Promise<{ form: T; effects: E[] }>
  /** What a form said before it was corrected. */
  earlier(id: string, version: number): Promise<Draft | undefined>
}

/** Makes the action, and what is written with it, from the thing as it stands. */
export type Prepare<T, A> = (thing: T) => Promise<{ action: A; writes?: Write[] }>

type Kept = Living & { id: string; version?: number; content?: unknown }

export function createDesk<T extends Kept, A extends { type: string }, X, E>(given: {
  office: Office
  kind: string
  schema: z.ZodType<T>
  advance: (thing: T, action: A, context: Context<X>) => Outcome<T, E>
  facts: (thing: T) => Promise<X>
}): Desk<T, A, E> {
  const { office, kind, schema, advance, facts } = given
  const { audit, clock, inTurn } = office
  const rows = createRows(office, kind, schema)
  const versions = createRows(office, `${kind}-version`, Draft)
  const get = async (id: string): Promise<T> => {
    const found = await rows.get(id)
    if (found === undefined) throw new ProtocolError('not_found', `no such ${kind}`)
    return found
  }
  const recordOf = ({ actor, source }: By, action: string, id: string) => ({
    actor: actor.account,
    role: actor.role,
    source,
    action: `${kind}.${action}`,
    subject: id,
  })
  /** What could not be read again would close every list that it stands in. */
  const readable = (outcome: Outcome<T, E>): Outcome<T, E> => {
    if (!outcome.ok) return outcome
    const read = schema.safeParse(JSON.parse(JSON.stringify(outcome.form)))
    return read.success ? outcome : refuse('invalid', fieldErrors(read.error))
  }
  return {
    find: rows.get,
    get,
    all: rows.all,
    add: async (thing, by, writes = []) => {
      const outcome = readable({ ok: true, form: thing, effects: [] })
      if (!outcome.ok) throw new FormRefused(outcome)
      const record = { ...recordOf(by, 'create', thing.id), outcome: 'success' as const }
      await audit.append(record, [rows.write(thing.id, thing), ...writes])
      return thing
    },
    act: (id, given, by) =>
      inTurn(async () => {
        const thing = await get(id)
        const prepared = typeof given === 'function' ? await given(thing) : { action: given }
        const { action, writes = [] } = prepared
        const context = { actor: by.actor, now: clock(), facts: await facts(thing) }
        const outcome = readable(advance(thing, action, context))
        const record = recordOf(by, action.type, id)
        if (!outcome.ok) {
          await audit.append({ ...record, outcome: 'denied', detail: outcome.code })
          throw new FormRefused(outcome)
        }
        const { form, effects } = outcome
        const isNew = thing.version !== undefined && form.version !== thing.version
        const old = isNew
          ? [versions.write(`${id}.${thing.version}`, Draft.parse(thing.content))]
          : []
        const detail = `${thing.status} → ${form.status}`
        await audit.append({ ...record, outcome: 'success', detail }, [
          rows.write(id, form),
          ...writes,
          ...old,
        ])
        return { form, effects }
      }),
    earlier: (id, version) => versions.get(`${id}.${version}`),
  }
}
