import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The machine's own Chromium without a window; a sandbox of its own is of no use to root in a container. */
export async function openBrowser(): Promise<Browser & AsyncDisposable> {
  const executablePath = places.find((place) => existsSync(place))
  if (executablePath === undefined) throw new Error('no Chromium here: npm run setup')
  return await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--force-device-scale-factor=1', '--disable-gpu'],
  })
}
