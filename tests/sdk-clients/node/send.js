// Sends events through the real Node SDK of Segment, and prints each as the SDK sent it, one JSON
// object a line. Arguments: the daemon's base URL, the write key, calls.json, a mode of calls.mjs.
import { Analytics } from '@segment/analytics-node'
import { endWith, groups, print } from './calls.mjs'

const [host, writeKey, ...calls] = process.argv.slice(2)
const failures = []
const analytics = new Analytics({ writeKey, host, flushAt: 5, flushInterval: 100, maxRetries: 10 })
analytics.on('error', (error) => failures.push(JSON.stringify(error)))

// Calls one method and resolves to the event that left.
function send({ type, ...message }) {
  return new Promise((resolve, reject) => {
    analytics[type](message, (error, context) => (error ? reject(error) : resolve(context.event)))
  })
}

for await (const group of groups(...calls)) {
  (await Promise.all(group.map(send))).forEach(print)
}
await analytics.closeAndFlush()
endWith(failures)
