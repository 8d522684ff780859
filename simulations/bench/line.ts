/** What a measurement says (commands.md, "Measurements"). */
export type Line = {
  bench: string
  case: string
  ours: number | null
  /** `null`: there is no such peer for this case, or it is missing. */
  peer: number | null
  peerName: string
  unit: string
  /** ours / peer. */
  ratio: number | null
  better: 'higher' | 'lower'
  /** Why a peer was not measured. */
  missing?: string
}

export type Figure = Pick<Line, 'case' | 'unit' | 'better'> & {
  ours?: number | undefined
  peer?: number | undefined
  peerName?: string
  missing?: string | undefined
}

export function lineOf(bench: string, figure: Figure): Line {
  const { ours = null, peer = null, peerName = '', missing } = figure
  const ratio = ours === null || peer === null || peer === 0 ? null : rounded(ours / peer)
  return {
    bench,
    case: figure.case,
    ours: ours === null ? null : rounded(ours),
    peer: peer === null ? null : rounded(peer),
    peerName,
    unit: figure.unit,
    ratio,
    better: figure.better,
    ...(missing !== undefined && { missing }),
  }
}

/** Four significant digits. */
export const rounded = (value: number): number => Number(value.toPrecision(4))

export function textOf(line: Line): string {
  const { ours, peer, peerName, unit, ratio, better, missing } = line
  const own = ours === null ? '' : `${ours} ${unit}`
  const beside = missing === undefined ? `${peer ?? ''} ${peerName}` : `${peerName}: ${missing}`
  const quotient = ratio === null ? '' : `${ratio}x (${better} is better)`
  return [line.case.padEnd(40), own.padEnd(20), beside.padEnd(32), quotient].join(' ').trimEnd()
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
