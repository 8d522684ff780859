import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { decode } from 'fast-png'
import type { Page } from 'playwright-core'
import { openBrowser } from '../browser.ts'
import { eventually, signIn } from '../client.ts'
import { corpusDir, corpusMissing } from '../corpus.ts'
import { freePorts } from '../layout.ts'
import { createRegion } from '../region.ts'
import { serveForeignSite } from './foreign-page.ts'
import { stow } from './stow.ts'

/**
 * OHIF, unmodified, against a node: the package is fetched, served at an origin of its own, and shows a real series in
 * Chromium. `node simulations/interop/ohif.ts [folder]` keeps package and picture in the folder.
 */
const version = '3.13.2'
const run = promisify(execFile)
const series = 'series/ct-philips-ingenuity-head-phantom/S2010'

async function fetchOhif(folder: string): Promise<string> {
  const dist = path.join(folder, 'package', 'dist')
  if (existsSync(path.join(dist, 'index.html'))) return dist
  await mkdir(folder, { recursive: true })
  await run('npm', ['pack', `@ohif/app@${version}`, '--silent'], { cwd: folder })
  await run('tar', ['xzf', `ohif-app-${version}.tgz`], { cwd: folder })
  return dist
}

const configuration = (root: string): string =>
  `window.config = ${JSON.stringify({
    routerBasename: null,
    extensions: [],
    modes: [],
    customizationService: {},
    showStudyList: true,
    maxNumberOfWebWorkers: 1,
    showErrorDetails: 'always',
    investigationalUseDialog: { option: 'never' },
    defaultDataSourceName: 'cami',
    dataSources: [
      {
        namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
        sourceName: 'cami',
        configuration: {
          friendlyName: 'CAMI',
          name: 'cami',
          wadoUriRoot: `${root}/wado`,
          qidoRoot: root,
          wadoRoot: root,
          qidoSupportsIncludeField: true,
          imageRendering: 'wadors',
          thumbnailRendering: 'thumbnail',
          thumbnailRequestStrategy: 'fetch',
          enableStudyLazyLoad: true,
          supportsFuzzyMatching: false,
          supportsWildcard: true,
          bulkDataURI: { enabled: true },
        },
      },
    ],
  })}`

/** How much of a picture is neither black nor OHIF's own dark blue: an image of a head is. */
function brightShare(png: Uint8Array): number {
  const { data, channels } = decode(png)
  let bright = 0
  for (let at = 0; at < data.length; at += channels) {
    const [red = 0, green = 0, blue = 0] = [data[at], data[at + 1], data[at + 2]]
    if (Math.min(red, green, blue) > 60) bright++
  }
  return bright / (data.length / channels)
}

function report(asked: ReadonlyMap<string, number>, failed: readonly string[]): void {
  for (const [kind, count] of asked) console.log(`${count} × ${kind}`)
  for (const failure of failed) console.log(`failed: ${failure}`)
}

/** What the page asked of the node, and what went wrong. */
function watch(page: Page) {
  const asked = new Map<string, number>()
  const failed: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') failed.push(message.text().slice(0, 300))
  })
  page.on('response', (response) => {
    const { pathname } = new URL(response.url())
    if (!pathname.startsWith('/dicom-web')) return
    const kind = `${response.request().method()} ${pathname.replaceAll(/[\d.]{8,}/g, '{uid}')}`
    asked.set(kind, (asked.get(kind) ?? 0) + 1)
    if (!response.ok()) failed.push(`${response.status()} ${kind}`)
  })
  return { asked, failed }
}

async function main(keep: string | undefined): Promise<void> {
  if (corpusMissing !== false) throw new Error(corpusMissing)
  await using stack = new AsyncDisposableStack()
  const folder = keep ?? (await mkdtemp(path.join(os.tmpdir(), 'cami-ohif-')))
  if (keep === undefined) stack.defer(() => rm(folder, { recursive: true, force: true }))
  const site = stack.use(await serveForeignSite(await fetchOhif(path.resolve(folder))))
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-region-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const region = stack.use(
    await createRegion({
      seed: 1,
      mode: 'in-process',
      dataDir,
      ports: await freePorts(2),
      members: 2,
      samples: false,
      allowedOrigins: [site.origin],
    }),
  )
  const node = region.node('okb')
  site.put('app-config.js', configuration(`${node.url}/dicom-web`))
  const client = await signIn(node.url, region.account('okb', 'radiologist'))
  const source = path.join(corpusDir, series)
  // The other file is a directory of the medium that they came on.
  const images = readdirSync(source).filter((name) => /^I\d+$/.test(name))
  const files = images.map((name) => path.join(source, name))
  await stow(node.url, client.token, files)
  const [study] = await client.json<Record<string, { Value?: string[] }>[]>('/dicom-web/studies')
  const uid = study?.['0020000D']?.Value?.[0] ?? ''

  await using browser = await openBrowser()
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  const { asked, failed } = watch(page)
  const address = `${site.origin}/viewer?StudyInstanceUIDs=${uid}&token=${client.token}`
  await page.goto(address)
  const viewport = page.locator('.cornerstone-canvas').first()
  await viewport.waitFor({ timeout: 90_000 })
  // A tour for newcomers lies over the first study.
  await page
    .getByText('Skip all')
    .click({ timeout: 30_000 })
    .catch(() => undefined)
  await viewport.hover()
  for (let slice = 0; slice < images.length / 2; slice++) await page.mouse.wheel(0, 100)
  const picture = path.join(folder, 'ohif.png')
  let share = 0
  try {
    share = await eventually(
      'a picture in the viewport',
      async () => {
        const bright = brightShare(await viewport.screenshot())
        return bright > 0.03 ? bright : undefined
      },
      60_000,
    )
  } finally {
    await page.screenshot({ path: picture })
    report(asked, failed)
  }
  console.log(`${Math.round(share * 100)} % of the viewport is image; ${picture}`)
  if (failed.length > 0) process.exitCode = 1
}

await main(process.argv[2])
