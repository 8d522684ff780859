import { parseArgs } from 'node:util'
import type { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'

/** The named values of one command; each reader says in one sentence what is wrong and what to give. */
export type Arguments = {
  files: string[]
  text(name: string): string
  optional(name: string): string | undefined
  list(name: string): string[]
  optionalList(name: string): string[]
  /** From 1 to `max`; `standard` when it is not given. */
  integer(name: string, standard: number, max: number): number
  value<S extends z.ZodType>(name: string, schema: S, what: string): z.infer<S>
}

const wrong = (message: string): ProtocolError =>
  new ProtocolError('configuration_invalid', message)

export function readArguments(
  command: string,
  argv: string[],
  names: readonly string[],
): Arguments {
  const { values, positionals } = parse(command, argv, names)
  const optional = (name: string): string | undefined => {
    const found = values[name] ?? []
    if (found.length > 1) throw wrong(`${command}: --${name} is given twice: give it once`)
    return found[0]
  }
  const text = (name: string): string => {
    const found = optional(name)
    if (found === undefined || found === '') {
      throw wrong(`${command}: --${name} is missing: run certs without a command for examples`)
    }
    return found
  }
  return {
    files: positionals,
    optional,
    text,
    optionalList: (name) => values[name] ?? [],
    list(name) {
      const found = values[name] ?? []
      if (found.length === 0) throw wrong(`${command}: --${name} is missing: give it at least once`)
      return found
    },
    integer(name, standard, max) {
      const found = optional(name)
      if (found === undefined) return standard
      const number = /^\d{1,6}$/.test(found) ? Number(found) : 0
      if (number < 1 || number > max) {
        throw wrong(`${command}: --${name} ${found} is not a number from 1 to ${max}`)
      }
      return number
    },
    value(name, schema, what) {
      const found = schema.safeParse(text(name))
      if (!found.success) throw wrong(`${command}: --${name} ${text(name)} is not ${what}`)
      return found.data
    },
  }
}

function parse(command: string, argv: string[], names: readonly string[]) {
  const option = { type: 'string', multiple: true } as const
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      options: Object.fromEntries(names.map((name) => [name, option])),
      allowPositionals: true,
    })
    return { values: values as Record<string, string[] | undefined>, positionals }
  } catch (cause) {
    // The parser's own sentences end with advice about shells.
    const [first] = cause instanceof Error ? cause.message.split('. ') : ['wrong arguments']
    throw wrong(`${command}: ${first?.replace(/[.\n].*/s, '')}`)
  }
}
