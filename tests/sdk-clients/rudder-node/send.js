// Sends events through the real Node SDK of RudderStack, and prints each as the SDK sent it, one JSON
// object a line. Arguments: the daemon's base URL, the write key, calls.json, a mode of calls.mjs.
import { gunzipSync } from 'node:zlib'
import Analytics from '@rudderstack/rudder-sdk-node'
import { endWith, groups, print } from './calls.mjs'

const [dataPlaneUrl, writeKey, ...calls] = process.argv.slice(2)
const failures = []
const analytics = new Analytics(writeKey, {
  dataPlaneUrl,
  flushAt: 5,
  flushInterval: 100,
  retryCount: 10,
  logLevel: 'none',
  // Without it a batch that is given up ends the process.
  errorHandler: (error) => failures.push(String(error)),
})

// Calls one method and resolves to the batch that its event left in, as it was sent.
function send({ type, ...message }) {
  return new Promise((resolve, reject) => {
    analytics[type](message, (error, body) => (error ? reject(error) : resolve(JSON.parse(gunzipSync(body)).batch)))
  })
}

for await (const group of groups(...calls)) {
  const events = new Map((await Promise.all(group.map(send))).flat().map((event) => [event.messageId, event]))
  // The user's time is in `timestamp`; that is what the daemon keeps as the original one.
  for (const event of events.values()) print(event.timestamp ? { ...event, originalTimestamp: event.timestamp } : event)
}
endWith(failures)
