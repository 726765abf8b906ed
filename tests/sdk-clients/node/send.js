// Sends every call type through the real Node SDK, and prints each event as the SDK sent it, one
// JSON object a line. Arguments: the daemon's base URL, the write key.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey] = process.argv.slice(2)
const failures = []
const analytics = new Analytics({ writeKey, host, flushAt: 4, maxRetries: 3 })
analytics.on('error', (error) => failures.push(JSON.stringify(error)))

// Calls one method and resolves to the event that left.
function call(method, message) {
  return new Promise((resolve, reject) => {
    analytics[method](message, (error, context) => (error ? reject(error) : resolve(context.event)))
  })
}

const context = { ip: '203.0.113.9', locale: 'de-DE', page: { url: 'https://shop.example/p/1?a=b&c=%20' } }
const product = { product_id: 'P-1001', name: 'Mütze "Eis" \u{1F9E2}', price: 29.9, quantity: 2, tags: ['a', null, true] }
const timestamp = new Date(Date.now() - 60_000)

const calls = [
  ['identify', { userId: 'node-user', traits: { email: 'Ana@Example.com', age: 31, address: { city: 'Köln' } }, context }],
  ['track', { userId: 'node-user', event: 'Product Viewed', properties: product, context, timestamp }],
  ['track', {
    userId: 'node-user', anonymousId: 'node-anon', event: 'Order Completed', messageId: 'node-order-1', context, timestamp,
    properties: { order_id: 'o-1', total: 59.8, currency: 'EUR', products: [product, product], nested: { deep: { er: [1, [2, [3]]] } } },
  }],
  ['track', { anonymousId: 'node-anon', event: 'Ruled Out', properties: {}, integrations: { All: false, GA4: true } }],
  ['page', { userId: 'node-user', category: 'Docs', name: 'Home', properties: { url: 'https://shop.example/', title: 'Start' } }],
  ['screen', { anonymousId: 'node-anon', name: 'Wishlist', properties: { items: 0 } }],
  ['group', { userId: 'node-user', groupId: 'club-7', traits: { name: 'Bergfreunde e.V.', employees: 42 } }],
  ['alias', { userId: 'node-user', previousId: 'node-anon' }],
  // Half of a surrogate pair: JSON.stringify escapes it, and strict parsers refuse it.
  ['track', { userId: 'node-user', event: 'Half a Pair', messageId: 'node-half-pair', properties: { text: 'x\ud83dy' } }],
]

const sent = await Promise.all(calls.map(([method, message]) => call(method, message)))
await analytics.closeAndFlush()
if (failures.length > 0) {
  console.error(failures.join('\n'))
  process.exit(1)
}
// What half a pair means to a reader of text: the replacement character.
const readable = (key, value) => (value === 'x\ud83dy' ? 'x\ufffdy' : value)
for (const event of sent) console.log(JSON.stringify(event, readable))
