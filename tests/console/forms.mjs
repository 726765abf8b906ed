// What the console does without script: forms and links alone.
import { expect, given, go, say, tab, text, walk } from './browser.mjs'

async function addDestination(page) {
  await go(page, '/integrations')
  await page.getByRole('link', { name: 'Add Google Analytics 4' }).click()
  await page.getByLabel('Name', { exact: true }).fill('plain')
  await page.getByLabel('Measurement ID').fill('G-PLAIN')
  await page.getByLabel(/^API secret/).fill('plain-secret')
  await page.getByLabel('Endpoint').fill(given.ga4)
  await page.getByRole('button', { name: 'Add destination' }).click()
  await page.waitForURL(/destinations\/shop\/plain\?done=added/)
  say({ did: 'added' })
}

async function editRules(page) {
  await go(page, '/destinations/shop/plain/transformations')
  await page.locator('button[value="pick:properties.currency"]').click()
  const rule = page.locator('.rule').last()
  expect(await rule.getByLabel('Field').inputValue() === 'properties.currency', 'a click on a field begins a rule on it')
  await rule.getByLabel('Operation').selectOption('set')
  await rule.getByLabel('What it needs').fill('SEK')
  await page.locator('#preview').getByRole('button', { name: 'Preview' }).click()
  expect((await text(page, '#request')).includes('SEK'), 'the preview shows the request')
  await page.getByRole('button', { name: 'Review and save' }).click()
  expect((await text(page, '#effect h2')).includes('changes'), 'the effect on the last events is shown first')
  await page.getByRole('button', { name: 'Save 1 rule' }).click()
  await page.waitForURL(/done=saved/)
  expect(await page.locator('.rule').count() === 1, 'the rule is saved')
  say({ did: 'saved' })
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.waitForURL(/done=rolled-back/)
  await go(page, '/destinations/shop/plain/transformations')
  expect(await page.locator('.rule').count() === 0, 'and gone again')
  say({ did: 'undone' })
}

async function pauseAndUndo(page) {
  await go(page, '/destinations/shop/plain')
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.waitForURL(/done=paused/)
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.waitForURL(/done=resumed/)
  say({ did: 'resumed' })
}

async function replay(page) {
  await go(page, '/dead-letters')
  await page.locator('input[name="all"]').check()
  await page.getByRole('button', { name: 'Replay', exact: true }).click()
  await page.waitForURL(`${given.base}/dead-letters`)
  // A page without script is loaded again by its reader.
  const done = () => page.locator('[data-replay][data-state="done"]:not([data-open])').count()
  for (let tries = 0; tries < 200 && !(await done()); tries += 1) await page.reload()
  const said = await text(page, '[data-replay]')
  expect(/2\s+delivered/.test(said) && /0\s+died again/.test(said), `what came of them is counted: ${said}`)
  say({ did: 'replayed' })
}

await walk(async () => {
  const page = await tab(given.token, { javaScriptEnabled: false })
  say({ did: 'signed in' })
  await addDestination(page)
  await editRules(page)
  await pauseAndUndo(page)
  await replay(page)
})
