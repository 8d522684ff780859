import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { StudyUid } from '#protocol/ids.ts'
import type { Archive, Query } from './archive.ts'
import { openTestArchive, searchProof, sendSlice, temporaryFolder } from './archive.fixture.ts'
import type { Slice } from './archive.fixture.ts'

/** Studies of a few values, so that queries meet them often. Everything of one study agrees in what tells a patient. */
const surnames = [
  'Семёнов',
  'Семенова',
  'СЕМЁНОВ',
  'Ёлкин',
  'Елкина',
  'Петров',
  'Вёрстов',
  'петрова',
]
const givens = ['Пётр', 'Анна', 'ПЕТР', '']
const names = fc
  .tuple(fc.constantFrom(...surnames), fc.constantFrom(...givens))
  .map(([surname, given]) => (given === '' ? surname : `${surname}^${given}`))
const patientIds = fc.constantFrom('A-1', 'A-12', 'B-1', 'a-1', '17')
const accessions = fc.constantFrom('X1', 'X12', 'Y1', '')
const dates = fc.constantFrom('20240229', '20240301', '20240331', '20241231', '20250101', '')
const times = fc.constantFrom('101500', '235959', '10', '')
const modalities = fc.constantFrom('CT', 'MR', 'SR')
const sopClasses = { CT: '1.2.3.1', MR: '1.2.3.2', SR: '1.2.3.3' }

type Described = Omit<Required<Slice>, 'pixels' | 'birthDate' | 'institution'>

const sets = fc
  .array(
    fc.record({
      name: names,
      patientId: patientIds,
      accession: accessions,
      date: dates,
      time: times,
      series: fc.array(fc.tuple(modalities, fc.integer({ min: 1, max: 2 })), {
        minLength: 1,
        maxLength: 2,
      }),
    }),
    { minLength: 18, maxLength: 24 },
  )
  .map((studies) =>
    studies.flatMap(({ series, ...about }, s): Described[] =>
      series.flatMap(([modality, count], e) =>
        Array.from({ length: count }, (_, i) => ({
          ...about,
          modality,
          sopClass: sopClasses[modality],
          study: `1.2.${s}`,
          series: `1.2.${s}.${e}`,
          sop: `1.2.${s}.${e}.${i}`,
          number: i,
        })),
      ),
    ),
  )

const wild = (text: string) =>
  fc.tuple(fc.nat(text.length), fc.nat(text.length), fc.nat(4)).map(([one, other, how]) => {
    const [from, to] = [Math.min(one, other), Math.max(one, other)]
    const part = text.slice(from, to)
    return (
      [
        text,
        `${text.slice(0, to)}*`,
        `*${part}*`,
        `*${text.slice(from)}`,
        `${text.slice(0, from)}?*`,
      ][how] ?? ''
    )
  })
const cased = (text: string) =>
  fc.constantFrom(text, text.toUpperCase(), text.toLowerCase(), text.replaceAll('ё', 'е'))
const namePatterns = names.chain(wild).chain(cased)
const dateKeys: fc.Arbitrary<string> = fc.oneof(
  dates,
  fc.tuple(dates, dates).map(([from, to]) => `${from}-${to}`),
  fc.constantFrom('202403', '2024-', '-2024', '20240101-20240331', '*'),
)
const list = (uids: readonly string[]) =>
  fc.array(fc.constantFrom(...uids), { minLength: 1, maxLength: 3 }).map((some) => some.join('\\'))

/** One or two keys, seldom none. */
function keysOf(set: readonly Described[]): fc.Arbitrary<Keys> {
  const one = (values: fc.Arbitrary<string>) => values.map((value) => [value])
  const some = (values: fc.Arbitrary<string>) => fc.array(values, { minLength: 1, maxLength: 2 })
  const keys: [tag: string, fc.Arbitrary<string[]>][] = [
    ['00100010', some(namePatterns)],
    ['00100020', some(patientIds.chain(wild))],
    ['00080050', one(accessions.chain(wild))],
    ['00080020', one(dateKeys)],
    ['00080061', some(modalities)],
    ['00080060', one(modalities)],
    ['00080062', one(list(Object.values(sopClasses)))],
    ['0020000D', one(list(set.map(({ study }) => study)))],
    ['0020000E', one(list(set.map(({ series }) => series)))],
    ['00080018', one(list(set.map(({ sop }) => sop)))],
    ['00200013', one(fc.constantFrom('0', '1'))],
  ]
  const key = fc
    .constantFrom(...keys)
    .chain(([tag, values]) => values.map((value): [string, string[]] => [tag, value]))
  return fc.array(key, { maxLength: 2 }).map((chosen) => Object.fromEntries(chosen))
}
type Keys = Record<string, string[]>

/** The oracle: the words of PS3.4 §C.2.2.2, without any index. */
const folded = (text: string) =>
  text.toLowerCase().replaceAll('ё', 'е').replaceAll('^', ' ').replaceAll(/\s+/g, ' ').trim()
const globs = (pattern: string, text: string) =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    's',
  ).test(text)
const within = (range: string, date: string) => {
  if (date === '') return false
  const [first = '', last = range.includes('-') ? '' : first] = range.split('-')
  return (
    date >= first.padEnd(8, '0') &&
    (last === '' ? range.includes('-') : date <= last.padEnd(8, '9'))
  )
}

const isAny = (values: string[]) => values.every((value) => /^\**$/.test(value.trim()))

function holds(one: Described, all: readonly Described[], [tag, values]: [string, string[]]) {
  if (isAny(values)) return true
  const some = (test: (value: string) => boolean) => values.some(test)
  switch (tag) {
    case '00100010':
      return some((value) => globs(folded(value), folded(one.name)))
    case '00100020':
      return some((value) => globs(value, one.patientId))
    case '00080050':
      return some((value) => globs(value, one.accession))
    case '00080020':
      return some((value) => within(value, one.date))
    case '00080061': {
      const there = all.filter(({ study }) => study === one.study).map(({ modality }) => modality)
      return some((value) => there.includes(value))
    }
    case '00080062': {
      const there = all.filter(({ study }) => study === one.study).map(({ sopClass }) => sopClass)
      return some((value) => value.split('\\').some((uid) => there.includes(uid)))
    }
    case '00080060':
      return some((value) => value === one.modality)
    case '0020000D':
      return some((value) => value.split('\\').includes(one.study))
    case '0020000E':
      return some((value) => value.split('\\').includes(one.series))
    case '00080018':
      return some((value) => value.split('\\').includes(one.sop))
    default:
      return some((value) => Number(value) === one.number)
  }
}

type Level = Exclude<Query['level'], 'patient'>
const uidTag = { study: '0020000D', series: '0020000E', instance: '00080018' } as const

function expected(set: readonly Described[], level: Level, keys: Keys): string[] {
  const found = set.filter((one) => Object.entries(keys).every((key) => holds(one, set, key)))
  const uid = { study: 'study', series: 'series', instance: 'sop' } as const
  return [...new Set(found.map((one) => one[uid[level]]))].sort()
}

async function found(archive: Archive, level: Level, keys: Keys, page: number) {
  const rows: string[] = []
  for (let offset = 0; ; offset += page) {
    const query = { level, match: keys, limit: page, offset }
    const { matches, more } = await archive.search(searchProof, query)
    rows.push(...matches.map((row) => JSON.stringify(row[uidTag[level]]?.Value?.[0]).slice(1, -1)))
    if (!more) return rows
  }
}

test('a search finds what a naive one finds, and pages join to one stable order', async (t) => {
  const seed = 20_261_128
  const counts = { queries: 0, hits: 0 }
  for (const set of fc.sample(sets, { numRuns: 2, seed })) {
    await using folder = await temporaryFolder()
    await using archive = await openTestArchive(folder.path)
    await Promise.all(set.map((one) => sendSlice(archive, one)))
    const when = new Map(
      set.map(({ study, date, time }) => [study, date === '' ? '' : date + time]),
    )
    const studyOf = (uid: string) => uid.split('.').slice(0, 3).join('.') as StudyUid
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('study', 'series', 'instance'),
        keysOf(set),
        fc.constantFrom(4, 9, 100),
        async (level, keys, page) => {
          const rows = await found(archive, level, keys, page)
          counts.queries++
          counts.hits += rows.length
          assert.deepEqual(rows.toSorted(), expected(set, level, keys))
          if (counts.queries % 4 === 0) assert.deepEqual(await found(archive, level, keys, 7), rows)
          const days = rows.map((uid) => when.get(studyOf(uid))?.slice(0, 8) ?? '')
          assert.deepEqual(days, days.toSorted().reverse(), 'newest first')
        },
      ),
      { numRuns: 70, seed },
    )
  }
  t.diagnostic(JSON.stringify(counts))
  assert.ok(counts.hits > counts.queries / 2)
})
