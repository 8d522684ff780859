/** Moving through the rows of a table with the keyboard: the row to go to, or nothing for other keys. */
export function rowAfter(key: string, row: number, count: number): number | undefined {
  const last = count - 1
  if (last < 0) return undefined
  const bounded = (wanted: number) => Math.min(Math.max(wanted, 0), last)
  switch (key) {
    case 'ArrowDown':
      return bounded(row + 1)
    case 'ArrowUp':
      return bounded(row - 1)
    case 'PageDown':
      return bounded(row + 10)
    case 'PageUp':
      return bounded(row - 10)
    case 'Home':
      return 0
    case 'End':
      return last
    default:
      return undefined
  }
}
