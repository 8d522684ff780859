import { readdir, readFile } from 'node:fs/promises'

/** What a process and its children have used, from /proc: CPU time, and the most memory that was resident at once. */
export type Usage = { cpuSeconds: number; peakRssMB: number }

/** USER_HZ, which Linux fixes at 100 for what it shows in /proc. */
const ticksPerSecond = 100

export async function usageOf(pid: number): Promise<Usage> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name in parentheses may hold spaces; utime, stime, cutime and cstime are fields 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0)
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? '0'
  return { cpuSeconds: ticks / ticksPerSecond, peakRssMB: Number(peak) / 1024 }
}

/** Processes whose parent is `pid`. */
export async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  )
  return lists.flatMap((list) => list.trim().split(' ').filter(Boolean).map(Number))
}
