// The calls that the JavaScript clients make, from calls.json, in groups. The next group is asked for
// when the one before has been sent.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

// Events of a numbered group.
const GROUP = 10

// Half of a surrogate pair: JSON.stringify escapes it, and strict parsers refuse it.
const halfAPair = {
  type: 'track', userId: 'user-1', event: 'Half a Pair', messageId: 'half-a-pair', properties: { text: 'x\ud83dy' },
}

// With no mode every call once; with `--count N` so many numbered events; with `--paced` a numbered
// group for each line of standard input, until it ends.
export async function* groups(file, mode, count) {
  const calls = JSON.parse(readFileSync(file, 'utf8'))
  if (mode === '--count') {
    for (let first = 0; first < Number(count); first += GROUP) {
      yield numbered(calls, first, Math.min(GROUP, count - first))
    }
  } else if (mode === '--paced') {
    let first = 0
    for await (const _ of createInterface({ input: process.stdin })) {
      yield numbered(calls, first, GROUP)
      first += GROUP
    }
  } else {
    yield [...calls, halfAPair].map(timed)
  }
}

function numbered(calls, first, count) {
  return Array.from({ length: count }, (_, at) => {
    const number = first + at
    const call = timed(calls[number % calls.length])
    call.messageId = `event-${number}`
    if (call.properties) call.properties = { ...call.properties, number }
    if (call.traits) call.traits = { ...call.traits, number }
    return call
  })
}

function timed({ minutesAgo, ...call }) {
  return minutesAgo ? { ...call, timestamp: new Date(Date.now() - minutesAgo * 60_000) } : call
}

// Prints an event as it was sent, but for half a pair: to a reader of text it is the replacement
// character.
export function print(event) {
  console.log(JSON.stringify(event, (key, value) => (value === 'x\ud83dy' ? 'x\ufffdy' : value)))
}

// Ends with what went wrong, if anything did.
export function endWith(failures) {
  if (failures.length > 0) {
    console.error(failures.join('\n'))
    process.exit(1)
  }
}
