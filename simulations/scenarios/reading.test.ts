import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { openBrowser } from '../browser.ts'
import { eventually, signIn } from '../client.ts'
import { corpusDir, corpusMissing } from '../corpus.ts'
import { storescu } from '../dcmtk.ts'
import { ensureViewer } from '../viewer-build.ts'
import {
  filesBelow,
  readItems,
  regionStudies,
  testRegion,
  type SentFile,
  type TestRegion,
} from './region.fixture.ts'
import { valueOf } from './scenario.ts'

/**
 * A radiologist of okb in real Chromium opens a CT that crb1 made, and what is on her screen is, pixel for pixel, what
 * the file says. Screenshots are kept when CAMI_SCREENSHOTS names a folder.
 */

let world: TestRegion
const sent = new Map<string, SentFile>()

before(
  async () => {
    if (corpusMissing !== false) return
    await ensureViewer()
    world = await testRegion(4)
    const folder = path.join(corpusDir, 'series/ct-philips-ingenuity-head-phantom')
    const files = filesBelow(folder).filter(
      (file) => file.includes('S2010') && path.basename(file) !== 'DIRFILE',
    )
    // Some over TLS: both ports of a node do the same.
    for (const [part, tls] of [
      [files.slice(0, 3), true],
      [files.slice(3), false],
    ] as const) {
      const { code, output } = await storescu(world.region.node('crb1'), part, { tls })
      assert.equal(code, 0, output)
    }
    for (const file of await readItems(files)) sent.set(file.item.sopUid, file)
  },
  { timeout: 240_000 },
)

after(() => world?.[Symbol.asyncDispose]())

test(
  'the radiologist of okb finds the CT in the region list and sees the values of the file',
  { skip: corpusMissing, timeout: 240_000 },
  async (t) => {
    const { region } = world
    const account = region.account('okb', 'radiologist')
    const api = await signIn(region.node('okb').url, account)
    const [row] = await regionStudies(api, sent.size)
    const study = valueOf(row, '0020000D')
    await using browser = await openBrowser()
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
    const complaints: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))

    await page.goto(region.node('okb').url)
    await page.getByTestId('login').fill(account.login)
    await page.getByTestId('password').fill(account.password)
    await page.getByTestId('sign-in').click()
    await page.getByTestId('scope-region').click()
    const line = page.locator(`[data-testid="study-row"][data-study="${study}"]`)
    await line.waitFor()
    await screenshot(page, 'list')
    const opened = performance.now()
    await line.dblclick()
    const viewport = page.getByTestId('viewport').first()
    await page.locator('[data-testid="viewport"][data-quality="full"]').first().waitFor()
    const firstMs = performance.now() - opened
    assert.ok((await page.getByTestId('patient-name').innerText()).length > 0)
    await screenshot(page, 'first-slice')
    await eventually('the whole series', async () =>
      (await page.evaluate(wholeIsShown)) === true ? true : undefined,
    )
    const allMs = performance.now() - opened
    t.diagnostic(`first slice ${firstMs.toFixed(0)} ms, whole series ${allMs.toFixed(0)} ms`)

    await page.getByTestId('actual-size').click()
    await page.waitForTimeout(300)
    await screenshot(page, 'actual-size')
    const sop = (await viewport.getAttribute('data-sop')) ?? ''
    const file = sent.get(sop) ?? assert.fail(`the slice shown, ${sop}, was not sent`)
    const [center, width] = await windowOf(page)
    const shown = await canvasOf(page)
    const compared = compare(shown, { dataSet: file.item.dataSet, center, width })
    t.diagnostic(`${compared} pixels of slice ${sop} equal the file at window ${center}/${width}`)
    assert.deepEqual(complaints, [])
  },
)

async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['CAMI_SCREENSHOTS']
  if (folder === undefined) return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: path.join(folder, `${name}.png`) })
}

async function windowOf(page: Page): Promise<[number, number]> {
  const viewport = page.getByTestId('viewport').first()
  return [
    Number(await viewport.getAttribute('data-window-center')),
    Number(await viewport.getAttribute('data-window-width')),
  ]
}

type Shown = { width: number; height: number; grey: number[] }

/** The visible canvas with the image, one byte a pixel; -1 where nothing is drawn. */
async function canvasOf(page: Page): Promise<Shown> {
  return (await page.evaluate(readCanvas)) as Shown
}

// What runs in the page is text: its names are the browser's, not this program's.
const wholeIsShown = `(() => {
  const { loaded, total } = document.querySelector('[data-testid="viewport"]').dataset
  return loaded !== undefined && loaded === total
})()`
const readCanvas = `(() => {
  const canvas = document.querySelector('[data-testid="viewport"] canvas')
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  const grey = []
  for (let at = 0; at < data.length; at += 4) grey.push(data[at + 3] === 255 ? data[at] : -1)
  return { width: canvas.width, height: canvas.height, grey }
})()`

/**
 * Puts the file's slice through its rescale and the window (PS3.3 C.11.2.1.2.1) and finds it on the canvas, which shows
 * it one to one around the middle. Every pixel that is on the canvas must be equal; says how many were.
 */
function compare(
  shown: Shown,
  { dataSet, center, width }: { dataSet: Uint8Array; center: number; width: number },
): number {
  const image = readImage(dataSet)
  const expected = image.pixels.map((stored) => {
    const value = stored * image.slope + image.intercept
    const y = ((value - (center - 0.5)) / (width - 1) + 0.5) * 255
    return Math.min(255, Math.max(0, Math.round(y)))
  })
  const middle = [
    Math.floor((shown.width - image.columns) / 2),
    Math.floor((shown.height - image.rows) / 2),
  ] as const
  let best = { equal: 0, compared: 0 }
  for (let dx = -2; dx <= 2; dx++) {
    for (let dy = -2; dy <= 2; dy++) {
      const at = { left: middle[0] + dx, top: middle[1] + dy }
      const found = overlap(shown, { ...image, expected }, at)
      if (found.equal > best.equal) best = found
    }
  }
  assert.ok(best.compared > 100_000, `${best.compared} pixels of the slice are on the canvas`)
  assert.equal(best.equal, best.compared, 'pixels on the canvas equal the file')
  return best.equal
}

function overlap(
  shown: Shown,
  image: { columns: number; rows: number; expected: number[] },
  { left, top }: { left: number; top: number },
): { equal: number; compared: number } {
  let equal = 0
  let compared = 0
  for (let row = Math.max(0, -top); row < image.rows && row + top < shown.height; row++) {
    for (
      let column = Math.max(0, -left);
      column < image.columns && column + left < shown.width;
      column++
    ) {
      compared++
      const grey = shown.grey[(row + top) * shown.width + column + left]
      if (grey === image.expected[row * image.columns + column]) equal++
    }
  }
  return { equal, compared }
}

/** Reads the few elements of an Explicit VR Little Endian CT by their tags, apart from the product's own reader. */
function readImage(dataSet: Uint8Array) {
  const bytes = Buffer.from(dataSet)
  const find = (group: number, element: number, vr: string): Buffer => {
    const mark = Buffer.from([
      group & 255,
      group >> 8,
      element & 255,
      element >> 8,
      ...Buffer.from(vr),
    ])
    const at = bytes.lastIndexOf(mark)
    assert.ok(at >= 0, `element ${group.toString(16)},${element.toString(16)}`)
    const isLong = vr === 'OW'
    const length = isLong ? bytes.readUInt32LE(at + 8) : bytes.readUInt16LE(at + 6)
    const from = at + (isLong ? 12 : 8)
    return bytes.subarray(from, from + length)
  }
  const [rows, columns] = [find(0x28, 0x10, 'US'), find(0x28, 0x11, 'US')].map((value) =>
    value.readUInt16LE(),
  )
  const isSigned = find(0x28, 0x103, 'US').readUInt16LE() === 1
  const raw = find(0x7fe0, 0x10, 'OW')
  const pixels = Array.from({ length: raw.length / 2 }, (_, index) =>
    isSigned ? raw.readInt16LE(index * 2) : raw.readUInt16LE(index * 2),
  )
  return {
    rows: rows ?? 0,
    columns: columns ?? 0,
    pixels,
    slope: Number(find(0x28, 0x1053, 'DS').toString('latin1')),
    intercept: Number(find(0x28, 0x1052, 'DS').toString('latin1')),
  }
}
