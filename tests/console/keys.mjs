// What the console does by the keyboard alone: everything is reached in the order it stands in, what has the
// focus is seen, nothing holds it, and the main things can be done.
import { browser, expect, given, go, say, walk } from './browser.mjs'

const PAGES = [
  '/', '/events', '/dead-letters', '/integrations', '/integrations/ga4/add', '/destinations/shop/hook',
  '/destinations/shop/ga4/transformations', '/plugins', '/sources', '/audit', '/history/1',
]

// More stops than any page has.
const STOPS_MAX = 400

// What has the focus: its place in the document, and whether it is seen.
const focused = (page) => page.evaluate(() => {
  const own = document.activeElement
  if (!own || own === document.body || own === document.documentElement) return null
  const all = [...document.querySelectorAll('*')]
  const box = own.getBoundingClientRect()
  // A choice that is drawn by its label shows the focus there.
  const drawn = [own, own.closest('label')].filter(Boolean).map((each) => getComputedStyle(each))
  const isRinged = drawn.some((style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)
  const isInView = box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth
  return { at: all.indexOf(own), what: own.outerHTML.slice(0, 120), isSeen: isRinged && isInView }
})

async function tabTo(page, selector) {
  for (let stops = 0; stops < STOPS_MAX; stops += 1) {
    await page.keyboard.press('Tab')
    if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) return
  }
  throw new Error(`expected: Tab leads to ${selector}`)
}

async function signIn() {
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage()
  page.setDefaultTimeout(30000)
  await go(page, '/')
  if (!(await page.evaluate(() => document.activeElement.matches('input[name="token"]')))) await tabTo(page, 'input[name="token"]')
  await page.keyboard.type(given.token)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${given.base}/`)
  say({ did: 'signed in' })
  return page
}

async function skip(page) {
  await go(page, '/events')
  await page.keyboard.press('Tab')
  const first = await focused(page)
  expect(first.what.includes('skip') && first.isSeen, 'the first stop leads to the content, and is seen')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  expect(await page.evaluate(() => document.activeElement.closest('main') !== null), 'then the content is next')
  say({ did: 'skipped' })
}

async function order(page, path) {
  await go(page, path)
  let last = -1
  let stops = 0
  for (; stops < STOPS_MAX; stops += 1) {
    await page.keyboard.press('Tab')
    const own = await focused(page)
    // Behind the last stop comes the browser, or the first again.
    if (!own || own.at <= last) {
      expect(!own || own.what.includes('skip'), `${path}: Tab goes on from ${last} to ${own?.what}`)
      break
    }
    expect(own.isSeen, `${path}: what has the focus is seen: ${own.what}`)
    last = own.at
  }
  expect(stops > 10 && stops < STOPS_MAX, `${path} has stops, and an end: ${stops}`)
  const end = await page.evaluate(() => [...document.querySelectorAll('main a[href], main button')].filter((each) => each.checkVisibility() && each.tabIndex >= 0 && !each.disabled).map((each) => [...document.querySelectorAll('*')].indexOf(each)).pop() ?? 0)
  expect(last >= end, `${path}: the last control is reached`)
}

async function backwards(page) {
  await go(page, '/destinations/shop/ga4/transformations')
  await page.getByLabel('An event as JSON').locator('xpath=..').evaluate((details) => { details.open = true })
  await page.getByLabel('An event as JSON').focus()
  await page.keyboard.press('Shift+Tab')
  expect(await page.evaluate(() => document.activeElement.matches('summary')), 'a text field does not hold the focus')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  expect(await page.evaluate(() => document.activeElement.textContent === 'Use it'), 'nor forwards')
}

async function rules(page) {
  await go(page, '/destinations/shop/ga4/transformations')
  await tabTo(page, '[value="pick:properties.currency"]')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement.matches('.rule select'))
  await page.keyboard.type('Set')
  await page.keyboard.press('Tab')
  await page.keyboard.type('SEK')
  await page.locator('#request', { hasText: 'SEK' }).waitFor()
  await page.keyboard.press('Control+s')
  await page.locator('#effect h2').waitFor()
  await page.keyboard.press('Control+s')
  await page.waitForURL(/done=saved/)
  say({ did: 'saved' })
}

async function replay(page) {
  await go(page, '/dead-letters')
  await tabTo(page, 'input[name="all"]')
  await page.keyboard.press('Space')
  await tabTo(page, 'button.go')
  await page.keyboard.press('Enter')
  await page.locator('[data-replay][data-state="done"]').first().waitFor()
  say({ did: 'replayed' })
}

await walk(async () => {
  const page = await signIn()
  await skip(page)
  for (const path of PAGES) await order(page, path)
  await backwards(page)
  say({ did: 'went along' })
  await rules(page)
  await replay(page)
})
