// Walks through the console in a headless Chromium, as an operator would, and prints what it saw, one JSON
// object a line. Arguments: a JSON object with base (the admin address), token, viewer (tokens), and what
// to do: "walk", "pages" (axe-core on every page; with `folder`, screenshots into it).
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const given = JSON.parse(process.argv[2])
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const executablePath = process.env.SWITCHYARD_CHROMIUM ?? '/usr/bin/chromium'
const browser = await chromium.launch({ executablePath, args: FLAGS })
const failures = []
const say = (what) => console.log(JSON.stringify(what))
const expect = (truth, what) => { if (!truth) throw new Error(`expected: ${what}`) }

// A tab of somebody. What breaks the content-security policy or throws is a failure.
async function tab(token, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options })
  const page = await context.newPage()
  page.on('pageerror', (error) => failures.push(`${page.url()}: ${error}`))
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy|Refused/.test(message.text())) failures.push(`${page.url()}: ${message.text()}`)
  })
  page.setDefaultTimeout(30000)
  await page.goto(`${given.base}/events`)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${given.base}/events`)
  return page
}

const go = (page, path) => page.goto(given.base + path)
const text = (page, selector) => page.locator(selector).first().innerText()

async function signIn() {
  const context = await browser.newContext()
  const page = await context.newPage()
  page.setDefaultTimeout(30000)
  await go(page, '/')
  await page.getByLabel('Token').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  expect((await text(page, '[role=alert]')).includes('no such token'), 'a wrong token is refused')
  const cookies = await context.cookies()
  expect(!cookies.some((cookie) => cookie.name === 'switchyard_session'), 'and opens no session')
  await context.close()
  const mine = await tab(given.token)
  const [cookie] = await mine.context().cookies()
  expect(cookie.httpOnly && cookie.sameSite === 'Strict', 'the cookie is HttpOnly and SameSite=Strict')
  return mine
}

async function addGa4(page) {
  await go(page, '/integrations')
  await page.getByRole('link', { name: 'Add Google Analytics 4' }).click()
  await page.getByLabel('Name', { exact: true }).fill('analytics')
  await page.getByLabel('Measurement ID').fill('G-WALK')
  // First without its secret: the mistake is shown at its place, and nothing is lost of what was entered.
  await page.getByRole('button', { name: 'Add destination' }).click()
  const mistake = page.locator('.formrow', { hasText: 'API secret' }).locator('.mistake')
  expect((await mistake.innerText()).includes('missing'), 'the missing secret is said at its place')
  expect(await page.getByLabel('Measurement ID').inputValue() === 'G-WALK', 'what was entered stays')
  await page.getByLabel(/^API secret/).fill('walk-secret')
  await page.getByLabel('Endpoint').fill(given.ga4)
  await page.getByRole('button', { name: 'Add destination' }).click()
  await page.waitForURL(/destinations\/shop\/analytics/)
  expect((await text(page, '[role=status]')).includes('added'), 'it says that it is added')
  const body = await page.content()
  expect(!body.includes('walk-secret'), 'the secret is not in the page')
  say({ did: 'added' })
}

async function transform(page) {
  await go(page, '/destinations/shop/ga4/transformations')
  const pick = async (field, operation, argument, target) => {
    await page.getByRole('button', { name: new RegExp(`^${field.replace(/\./g, '\\.')}( rule \\d+)?$`) }).click()
    const rule = page.locator('.rule').last()
    await page.waitForFunction((field) => [...document.querySelectorAll('.rule')].pop()?.querySelector('[aria-label=Field]').value === field, field)
    await rule.getByLabel('Operation').selectOption(operation)
    if (argument) await rule.getByLabel('What it needs').fill(argument)
    if (target) await rule.getByLabel('Target').fill(target)
  }
  await pick('properties.total', 'expression', 'properties.totl * 2.0')
  await page.locator('.mistakebox, #preview .note, .rule .tag').first().waitFor()
  await page.locator('.rule').last().getByLabel('What it needs').fill('properties.total * 2.0')
  await page.locator('#request', { hasText: '2596' }).waitFor()
  await pick('properties.currency', 'set', 'SEK')
  await page.locator('#request', { hasText: 'SEK' }).waitFor()
  await pick('properties.coupon', 'move', '', 'properties.voucher')
  await page.locator('#request', { hasText: 'voucher' }).waitFor()
  const request = await text(page, '#request')
  await page.getByRole('button', { name: 'Review and save' }).click()
  await page.locator('#effect h2').waitFor()
  expect((await text(page, '#effect h2')).includes('changes for the last'), 'the effect on the last events is shown first')
  await page.getByRole('button', { name: /^Save 3 rules/ }).click()
  await page.waitForURL(/done=saved/)
  say({ did: 'transformed', request })
}

async function undoTransform(page) {
  await go(page, '/destinations/shop/ga4/history')
  await page.locator('tbody tr').first().getByRole('link').click()
  const number = Number((await text(page, 'h1')).slice(1))
  await go(page, `/history/${number - 1}`)
  await page.getByRole('button', { name: /Roll back to r/ }).click()
  await page.waitForURL(/done=rolled-back/)
  await go(page, '/destinations/shop/ga4/transformations')
  expect(await page.locator('.rule').count() === 0, 'the rules are gone')
  say({ did: 'transformations rolled back' })
}

async function rollBack(page) {
  await page.getByLabel('Measurement ID').fill('G-OTHER')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.waitForURL(/done=saved/)
  await page.getByRole('link', { name: 'History' }).click()
  const rows = page.locator('tbody tr')
  expect(await rows.count() === 2, 'the history has the adding and the change')
  await rows.nth(1).getByRole('link').click()
  expect((await text(page, '.diff .new')).includes('+'), 'what it changed is shown')
  await page.getByRole('button', { name: /Roll back to r/ }).click()
  await page.waitForURL(/done=rolled-back/)
  await go(page, '/destinations/shop/analytics')
  expect(await page.getByLabel('Measurement ID').inputValue() === 'G-WALK', 'it is as it was')
  say({ did: 'rolled back' })
}

async function replay(page) {
  await go(page, '/dead-letters')
  expect((await text(page, '#reason')).includes('no such pixel'), 'the reason is the vendor\'s message')
  await page.locator('[data-all]').check()
  await page.getByRole('button', { name: 'Replay' }).click()
  await page.waitForURL(`${given.base}/dead-letters`)
  await page.locator('[data-replay][data-state="done"]').first().waitFor()
  say({ did: 'replayed' })
}

async function watch(page) {
  await go(page, '/events')
  await page.locator('[data-stream-mark][data-live="on"]').waitFor()
  say({ did: 'watching' })
  const row = page.locator('[data-id="walk-live"]')
  await row.waitFor()
  await row.locator('.glyphs [aria-label="shop/hook: delivered"]').waitFor()
  await row.getByRole('link').click()
  await page.getByRole('heading', { name: 'Accepted' }).waitFor()
  // The stream is ahead of what is durable by a moment.
  for (let tries = 0; tries < 50 && !(await text(page, '#story')).includes('shop/hook'); tries += 1) await page.reload()
  expect((await text(page, '#story')).includes('shop/hook'), 'the story names the destination')
  say({ did: 'watched' })
}

async function viewer() {
  const page = await tab(given.viewer)
  for (const path of ['/', '/integrations', '/destinations/shop/hook', '/dead-letters', '/sources', '/plugins', '/audit']) {
    await go(page, path)
    const posts = await page.locator('main form[method=post]:not([action="/destinations/shop/hook"]) button').count()
    expect(posts === 0, `a viewer has no controls on ${path}`)
  }
  await go(page, '/events/walk-live')
  const shown = await page.content()
  expect(!shown.includes('ana@shop.example') && shown.includes('••••'), 'personal data is masked')
  // By hand, with the session's own token: the server refuses.
  const csrf = await page.locator('body').getAttribute('data-csrf')
  const status = await page.evaluate(async (csrf) => {
    const body = new URLSearchParams({ csrf })
    return (await fetch('/destinations/shop/hook/pause', { method: 'POST', body })).status
  }, csrf)
  expect(status === 403, `a viewer is refused, not ${status}`)
  await page.context().close()
  say({ did: 'viewed' })
}

const PAGES = {
  overview: '/', events: '/events', story: '/events/walk-live', rejected: '/events?show=rejected', 'dead-letters': '/dead-letters',
  integrations: '/integrations', add: '/integrations/ga4/add', destination: '/destinations/shop/hook', transformations: '/destinations/shop/ga4/transformations?pick=properties.total', deliveries: '/destinations/shop/hook/deliveries',
  history: '/destinations/shop/hook/history', plugins: '/plugins', plugin: '/plugins/ga4', sources: '/sources', audit: '/audit', configuration: '/history/1',
  ...(given.more ?? {}),
}

async function pages() {
  const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
  for (const colorScheme of ['light', 'dark']) {
    // axe is put into the page by the test, which the page's own policy would not let in.
    const page = await tab(given.token, { colorScheme, bypassCSP: true })
    for (const [name, path] of Object.entries(PAGES)) {
      await go(page, path)
      await page.evaluate(axe)
      const found = await page.evaluate(async () => (await window.axe.run()).violations.map(({ id, impact, nodes }) => ({ id, impact, at: nodes.map((node) => node.target.join(' ')).slice(0, 5) })))
      const serious = found.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      if (serious.length) failures.push(`${name}, ${colorScheme}: ${JSON.stringify(serious)}`)
      for (const width of [400, 1000, 1600]) {
        await page.setViewportSize({ width, height: 900 })
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        if (wide > width) failures.push(`${name} is ${wide} wide at ${width}`)
        if (given.folder) {
          mkdirSync(given.folder, { recursive: true })
          await page.screenshot({ path: join(given.folder, `${name}-${width}-${colorScheme}.png`), fullPage: true })
        }
      }
    }
    await page.context().close()
  }
  say({ did: 'pages', count: Object.keys(PAGES).length })
}

try {
  if (given.what === 'pages') {
    await pages()
  } else {
    const page = await signIn()
    await addGa4(page)
    await rollBack(page)
    await transform(page)
    await undoTransform(page)
    await replay(page)
    await watch(page)
    await viewer()
  }
} catch (error) {
  failures.push(String(error.stack))
  // What the pages showed then.
  for (const page of browser.contexts().flatMap((context) => context.pages())) {
    failures.push(`${page.url()}:\n${await page.locator('main').innerText().catch(String)}`)
  }
} finally {
  await browser.close()
}
for (const failure of failures) console.error(failure)
process.exitCode = failures.length ? 1 : 0
