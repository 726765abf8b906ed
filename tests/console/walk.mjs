// Walks through the console as an operator would.
import { browser, expect, given, go, say, tab, text, walk } from './browser.mjs'

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
  await page.getByRole('button', { name: 'Replay', exact: true }).click()
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

await walk(async () => {
  const page = await signIn()
  await addGa4(page)
  await rollBack(page)
  await transform(page)
  await undoTransform(page)
  await replay(page)
  await watch(page)
  await viewer()
})
