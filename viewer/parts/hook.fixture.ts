import { type Context, h, render } from 'preact'

/** A hook of a page without a page: what it returned last, and a way to give it other arguments. */
export type Mounted<A, R> = {
  latest: () => R
  rerender: (argument: A) => void
  unmount: () => void
}

/** Preact needs a document only for what is drawn, and nothing is. */
export function mountHook<A, R, C>(
  use: (argument: A) => R,
  argument: A,
  { context, value }: { context: Context<C>; value: C },
): Mounted<A, R> {
  const parent = { childNodes: [], firstChild: null } as unknown as Element
  const results: R[] = []
  const Probe = ({ given }: { given: A }) => {
    results.push(use(given))
    return null
  }
  const rerender = (given: A) =>
    render(h(context.Provider, { value, children: h(Probe, { given }) }), parent)
  rerender(argument)
  return {
    latest: () => results.at(-1) as R,
    rerender,
    unmount: () => render(null, parent),
  }
}
