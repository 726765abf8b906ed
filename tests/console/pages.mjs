// Opens every page, light and dark: axe-core finds nothing serious, and nothing is wider than 400, 1000 and
// 1600 px. With `folder`, screenshots are put into it.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { browser, failures, given, go, say, tab, walk } from './browser.mjs'

const PAGES = {
  overview: '/', events: '/events', story: '/events/walk-live', rejected: '/events?show=rejected', 'dead-letters': '/dead-letters',
  integrations: '/integrations', add: '/integrations/ga4/add', destination: '/destinations/shop/hook', transformations: '/destinations/shop/ga4/transformations?pick=properties.total', deliveries: '/destinations/shop/hook/deliveries',
  history: '/destinations/shop/hook/history', plugins: '/plugins', plugin: '/plugins/ga4', sources: '/sources', audit: '/audit', configuration: '/history/1',
  'editor-event': '/destinations/shop/ga4/transformations', undo: '/destinations/shop/hook?done=paused',
  ...(given.more ?? {}),
}

// A replay whose letter dies again, so that its progress is shown.
async function replay() {
  const page = await tab(given.token)
  await go(page, '/dead-letters')
  await page.locator('input[name="id"]').first().check()
  await page.getByRole('button', { name: 'Replay', exact: true }).click()
  await page.locator('[data-replay][data-state="done"]:not([data-open])').waitFor()
  await page.context().close()
}

async function accessible(page, what) {
  const found = await page.evaluate(async () => (await window.axe.run()).violations.map(({ id, impact, nodes }) => ({ id, impact, at: nodes.map((node) => node.target.join(' ')).slice(0, 5) })))
  const serious = found.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  if (serious.length) failures.push(`${what}: ${JSON.stringify(serious)}`)
}

async function signedOut(axe, colorScheme) {
  const context = await browser.newContext({ colorScheme, bypassCSP: true })
  const page = await context.newPage()
  await go(page, '/sign-in')
  await page.evaluate(axe)
  await accessible(page, `sign-in, ${colorScheme}`)
  for (const width of [400, 1000, 1600]) await picture(page, 'sign-in', width, colorScheme)
  await context.close()
}

async function picture(page, name, width, colorScheme) {
  await page.setViewportSize({ width, height: 900 })
  const wide = await page.evaluate(() => document.documentElement.scrollWidth)
  if (wide > width) failures.push(`${name} is ${wide} wide at ${width}`)
  if (!given.folder || name === 'undo') return
  mkdirSync(given.folder, { recursive: true })
  await page.evaluate(asInstalled, given.directory)
  await page.screenshot({ path: join(given.folder, `${name}-${width}-${colorScheme}.png`), fullPage: true })
}

// The test's own folder is shown as an installation's would be.
function asInstalled(directory) {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replace(directory, '/var/lib/switchyard')
}

async function pages() {
  const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
  for (const colorScheme of ['light', 'dark']) {
    // axe is put into the page by the test, which the page's own policy would not let in.
    const page = await tab(given.token, { colorScheme, bypassCSP: true })
    for (const [name, path] of Object.entries(PAGES)) {
      await go(page, path)
      await page.evaluate(axe)
      for (const width of [400, 1000, 1600]) {
        await picture(page, name, width, colorScheme)
        if (width !== 1000) await accessible(page, `${name} at ${width}, ${colorScheme}`)
      }
    }
    await page.context().close()
    await signedOut(axe, colorScheme)
  }
  say({ did: 'pages', count: Object.keys(PAGES).length })
}

await walk(async () => {
  await replay()
  await pages()
})
