import type { Random } from './random.ts'

/** A synthetic patient; every similarity to a living person is chance. */
export type Person = {
  /** DICOM person name: `Иванов^Пётр^Сергеевич`. */
  name: string
  id: string
  sex: 'M' | 'F'
  /** `YYYYMMDD`. */
  birthDate: string
  heightM: number
  weightKg: number
}

const surnames = [
  'Соловьёв',
  'Кузнецов',
  'Щербаков',
  'Ефимов',
  'Воробьёв',
  'Михайлов',
  'Цветков',
  'Беляев',
  'Шестаков',
  'Тимофеев',
  'Юдин',
  'Ёлкин',
  'Зайцев',
  'Гаврилов',
  'Жданов',
  'Хохлов',
] as const
const names = {
  M: ['Пётр', 'Алексей', 'Фёдор', 'Михаил', 'Юрий', 'Семён', 'Эдуард', 'Анатолий'],
  F: ['Ольга', 'Алёна', 'Наталья', 'Любовь', 'Юлия', 'Екатерина', 'Ирина', 'Жанна'],
} as const
const fathers = ['Иван', 'Николай', 'Артём', 'Сергей', 'Виктор', 'Павел'] as const
const patronymics: Record<(typeof fathers)[number], { M: string; F: string }> = {
  Иван: { M: 'Иванович', F: 'Ивановна' },
  Николай: { M: 'Николаевич', F: 'Николаевна' },
  Артём: { M: 'Артёмович', F: 'Артёмовна' },
  Сергей: { M: 'Сергеевич', F: 'Сергеевна' },
  Виктор: { M: 'Викторович', F: 'Викторовна' },
  Павел: { M: 'Павлович', F: 'Павловна' },
}

export function createPerson(random: Random, sex = random.pick(['M', 'F'] as const)): Person {
  const surname = random.pick(surnames)
  const given = random.pick(names[sex])
  const year = 1938 + random.int(66)
  return {
    name: `${sex === 'F' ? `${surname}а` : surname}^${given}^${patronymics[random.pick(fathers)][sex]}`,
    id: String(100_000 + random.int(900_000)),
    sex,
    birthDate: `${year}${two(1 + random.int(12))}${two(1 + random.int(28))}`,
    heightM: Math.round((sex === 'M' ? 1.66 : 1.54) * 100 + random.int(24)) / 100,
    weightKg: 52 + random.int(50),
  }
}

const two = (value: number) => String(value).padStart(2, '0')

/** A medical worker, as accounts and form № 5 name her. */
export function createWorker(random: Random, sex: 'M' | 'F'): string {
  return createPerson(random, sex).name.replaceAll('^', ' ')
}
