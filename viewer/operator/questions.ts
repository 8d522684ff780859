/** The questions of one page about one thing: only the answer to the latest counts, and none after the page has gone on. */
export type Questions<T> = {
  ask: (load: () => Promise<T>) => Promise<void>
  /** Asks unless an answer is still awaited: on a thin link it may take longer than the wait for the next question. */
  askAgain: (load: () => Promise<T>) => Promise<void>
  stop: () => void
}

export type QuestionsDeps<T> = {
  answered: (value: T) => void
  failed: (error: unknown) => void
}

export function createQuestions<T>({ answered, failed }: QuestionsDeps<T>): Questions<T> {
  let latest = 0
  let awaited: number | undefined
  let isOver = false

  async function ask(load: () => Promise<T>): Promise<void> {
    const own = ++latest
    const isHeard = () => own === latest && !isOver
    awaited = own
    try {
      const value = await load()
      if (isHeard()) answered(value)
    } catch (error) {
      if (isHeard()) failed(error)
    } finally {
      if (awaited === own) awaited = undefined
    }
  }

  return {
    ask,
    async askAgain(load) {
      if (awaited === undefined) await ask(load)
    },
    stop: () => (isOver = true),
  }
}
