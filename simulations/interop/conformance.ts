import { readFileSync, writeFileSync } from 'node:fs'
import { tables } from './conformance-tables.ts'

/** `npm run conformance` writes what the code says into the marked sections of the conformance statement. */
export const statementFile = 'docs/CONFORMANCE.md'

/** The statement with its tables made anew; throws where a mark names no table, or a table has no mark. */
export function withTables(statement: string): string {
  const used = new Set<string>()
  const text = statement.replaceAll(
    /(<!-- table: ([a-z-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => {
      const make = tables[name]
      if (make === undefined) throw new Error(`there is no table "${name}"`)
      used.add(name)
      return `${begin}\n${make()}\n\n${end}`
    },
  )
  const unused = Object.keys(tables).filter((name) => !used.has(name))
  if (unused.length > 0) throw new Error(`no mark for ${unused.join(', ')}`)
  return text
}

if (import.meta.main) {
  writeFileSync(statementFile, withTables(readFileSync(statementFile, 'utf8')))
}
