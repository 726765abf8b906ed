// What all walks share: a headless Chromium, tabs in it, and how a walk ends. Each walk prints what it saw,
// one JSON object a line. Its argument is a JSON object with base (the admin address), token and viewer
// (tokens), and what else the walk needs.
import { chromium } from 'playwright-core'

export const given = JSON.parse(process.argv[2])
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const executablePath = process.env.SWITCHYARD_CHROMIUM ?? '/usr/bin/chromium'
export const browser = await chromium.launch({ executablePath, args: FLAGS })
export const failures = []
export const say = (what) => console.log(JSON.stringify(what))
export const expect = (truth, what) => { if (!truth) throw new Error(`expected: ${what}`) }

// A tab of somebody. What breaks the content-security policy or throws is a failure.
export async function tab(token, options = {}) {
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

export const go = (page, path) => page.goto(given.base + path)
export const text = (page, selector) => page.locator(selector).first().innerText()

// Walks, and ends with what went wrong on standard error, with what the pages showed then.
export async function walk(steps) {
  try {
    await steps()
  } catch (error) {
    failures.push(String(error.stack))
    for (const page of browser.contexts().flatMap((context) => context.pages())) {
      failures.push(`${page.url()}:\n${await page.locator('main').innerText().catch(String)}`)
    }
  } finally {
    await browser.close()
  }
  for (const failure of failures) console.error(failure)
  process.exitCode = failures.length ? 1 : 0
}
