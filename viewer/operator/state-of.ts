import { useState } from 'preact/hooks'

/** State that belongs to what the page shows: where the same page shows something else, it begins anew. */
export function useStateOf<T>(of: string, initial: T): [T, (value: T) => void] {
  const [last, setLast] = useState({ of, value: initial })
  return [last.of === of ? last.value : initial, (value) => setLast({ of, value })]
}
