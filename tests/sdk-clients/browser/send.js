// Sends events through the real browser SDK of Segment, on a page in a headless Chromium, and prints
// each as the SDK made it, one JSON object a line. Arguments: the daemon's base URL, the write key,
// calls.json, a mode of calls.mjs. Ends when the daemon has answered 200 for every event.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { chromium } from 'playwright-core'
import { endWith, groups, print } from './calls.mjs'

const [base, writeKey, ...calls] = process.argv.slice(2)
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]

// The page, and the SDK as its package brings it for a script tag.
const sdk = readFileSync(new URL('node_modules/@segment/analytics-next/dist/umd/index.js', import.meta.url))
const page = '<!doctype html><title>Shop</title><script src="/sdk.js"></script>'
const server = createServer((request, response) => {
  const [type, body] = request.url === '/sdk.js' ? ['text/javascript', sdk] : ['text/html', page]
  response.writeHead(200, { 'content-type': type }).end(body)
})
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))

const executablePath = process.env.SWITCHYARD_CHROMIUM ?? '/usr/bin/chromium'
const browser = await chromium.launch({ executablePath, args: FLAGS })
const failures = []
try {
  const tab = await browser.newPage()
  tab.on('pageerror', (error) => failures.push(String(error)))
  const answered = watch(tab)
  await tab.goto(`http://127.0.0.1:${server.address().port}/`)
  await tab.evaluate(load, { writeKey, cdnURL: base })
  const sent = []
  for await (const group of groups(...calls)) {
    const events = await tab.evaluate(sendAll, group)
    events.forEach(print)
    sent.push(...events)
  }
  await answered.all(sent.map((event) => event.messageId))
} catch (error) {
  failures.push(String(error))
} finally {
  await browser.close()
  server.close()
}
endWith(failures)

// In the page: what a shop would write.
async function load({ writeKey, cdnURL }) {
  const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL })
  window.analytics = analytics
}

// In the page: makes the calls; resolves to the events that left.
function sendAll(group) {
  const calls = {
    identify: ({ userId, traits }, options) => window.analytics.identify(userId, traits, options),
    track: ({ event, properties }, options) => window.analytics.track(event, properties, options),
    page: ({ category, name, properties }, options) => window.analytics.page(category, name, properties, options),
    screen: ({ category, name, properties }, options) => window.analytics.screen(category, name, properties, options),
    group: ({ groupId, traits }, options) => window.analytics.group(groupId, traits, options),
    alias: ({ userId, previousId }, options) => window.analytics.alias(userId, previousId, options),
  }
  const one = async ({ type, messageId, context, integrations, timestamp, ...call }) => {
    // The SDK takes `All: false` for its own server, too.
    const all = integrations && { 'Segment.io': true, ...integrations }
    const options = { messageId, context, integrations: all, timestamp }
    for (const name of Object.keys(options)) if (options[name] === undefined) delete options[name]
    return (await calls[type](call, options)).event
  }
  return Promise.all(group.map(one))
}

// Which events were answered with 200, by what the page sent and got.
function watch(tab) {
  const seen = new Set()
  let look = () => {}
  tab.on('response', (response) => {
    const request = response.request()
    if (request.method() === 'POST' && request.url().startsWith(base) && response.status() === 200) {
      seen.add(JSON.parse(request.postData()).messageId)
      look()
    }
  })
  const all = (ids) => new Promise((done) => {
    look = () => ids.every((id) => seen.has(id)) && done()
    look()
  })
  return { all }
}
