import type { Middleware } from 'koa'

/** A measurement for Prometheus. Labels are fixed words: no names, no identifiers. */
export type Metric = {
  name: string
  help: string
  type: 'counter' | 'gauge'
  samples: readonly { labels?: Readonly<Record<string, string>>; value: number }[]
}

export const gauge = (name: string, help: string, value: number): Metric => ({
  name,
  help,
  type: 'gauge',
  samples: [{ value }],
})

/** Prometheus text format 0.0.4. */
export function formatMetrics(metrics: readonly Metric[]): string {
  return metrics.map(formatMetric).join('')
}

function formatMetric({ name, help, type, samples }: Metric): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`)
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
  })
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

const escaped = (text: string) =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

/** Counts requests by the part of the interface and the class of the answer. */
export type RequestCounter = { middleware: Middleware; metrics(): Metric[] }

export function createRequestCounter(): RequestCounter {
  const counts = new Map<string, { labels: Record<string, string>; value: number }>()
  let running = 0
  return {
    async middleware(ctx, next) {
      running++
      try {
        await next()
      } finally {
        running--
        const labels = { area: areaOf(ctx.path), status: `${Math.floor(ctx.status / 100)}xx` }
        const key = `${labels.area} ${labels.status}`
        const count = counts.get(key) ?? { labels, value: 0 }
        count.value++
        counts.set(key, count)
      }
    },
    metrics: () => [
      {
        name: 'cami_http_requests_total',
        help: 'HTTP requests answered',
        type: 'counter',
        samples: [...counts.values()],
      },
      gauge('cami_http_requests_running', 'HTTP requests being answered', running),
    ],
  }
}

function areaOf(path: string): string {
  if (path.startsWith('/api/')) return 'api'
  return path.startsWith('/dicom-web/') ? 'dicom-web' : 'viewer'
}

/** What every program tells of itself. */
export function processMetrics(): Metric[] {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return [
    gauge('process_resident_memory_bytes', 'Resident memory', rss),
    gauge('cami_heap_used_bytes', 'JavaScript heap in use', heapUsed),
    gauge(
      'process_start_time_seconds',
      'Start of the program',
      Math.floor(performance.timeOrigin / 1000),
    ),
    {
      name: 'process_cpu_seconds_total',
      help: 'Processor time',
      type: 'counter',
      samples: [{ value: (user + system) / 1e6 }],
    },
  ]
}
