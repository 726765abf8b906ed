// What the console's pages do beyond forms and links: numbers that stay fresh, a stream of events that
// goes on and pauses, and keys. Without it every page works; live parts then show what they were loaded with.
'use strict'

const mark = (element, state, text) => {
  if (!element) return
  element.dataset.live = state
  element.textContent = text
}
const clock = () => new Date().toISOString().slice(11, 19)

// A stream that says when it is not live any more. `on` maps messages to what they do.
function follow(address, indicator, on) {
  let last = clock()
  let timer
  const source = new EventSource(address)
  const alive = () => {
    last = clock()
    mark(indicator, 'on', 'Live')
    clearTimeout(timer)
    timer = setTimeout(() => mark(indicator, 'off', `Not live, last update ${last}, reconnecting`), 5000)
  }
  for (const [name, act] of Object.entries(on)) {
    source.addEventListener(name, (message) => {
      alive()
      act(JSON.parse(message.data))
    })
  }
  source.addEventListener('error', () => mark(indicator, 'off', `Not live, last update ${last}, reconnecting`))
  addEventListener('pagehide', () => source.close())
  return source
}

// Numbers: only texts change, nothing moves.
const numbers = document.querySelector('[data-live-stream]')
const replay = document.querySelector('[data-replay][data-open]')
if (numbers || replay) {
  follow(numbers ? numbers.dataset.liveStream : '/live/overview', numbers, {
    numbers(changed) {
      for (const element of document.querySelectorAll('[data-n]')) {
        const text = changed[element.dataset.n]
        if (text !== undefined && element.textContent !== text) element.textContent = text
      }
    },
  })
}
// A replay under way: its progress is looked at again until it ends, unless somebody is picking rows.
if (replay) {
  const look = async () => {
    if (document.querySelector('input[name="id"]:checked')) return void setTimeout(look, 1500)
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html')
    const fresh = page.querySelector('[data-replays]')
    const own = document.querySelector('[data-replays]')
    if (fresh && own && !own.contains(document.activeElement)) own.replaceWith(fresh)
    if (page.querySelector('[data-replay][data-open]')) setTimeout(look, 1500)
    else if (!document.activeElement || document.activeElement === document.body) location.reload()
  }
  setTimeout(look, 1500)
}

// Events as they go by.
const stream = document.querySelector('[data-live-events]')
if (stream) {
  const list = stream.querySelector('#stream-list')
  const indicator = document.querySelector('[data-stream-mark]')
  const button = document.querySelector('[data-pause]')
  const waiting = []
  let paused = false
  const show = (event) => {
    stream.querySelector('.empty')?.remove()
    if (list.querySelector(`[data-id="${CSS.escape(event.id)}"]`)) return
    list.insertAdjacentHTML('afterbegin', event.row)
    while (list.children.length > 200) list.lastElementChild.remove()
  }
  const label = () => {
    button.textContent = paused ? (waiting.length ? `Show ${waiting.length} newer events` : 'Go on') : 'Pause'
  }
  button.hidden = false
  button.addEventListener('click', () => {
    paused = !paused
    while (!paused && waiting.length) show(waiting.shift())
    label()
  })
  // Reading or pointing at the stream holds it still.
  let held = false
  list.addEventListener('pointerenter', () => { held = true })
  list.addEventListener('pointerleave', () => {
    held = false
    while (!paused && waiting.length) show(waiting.shift())
    label()
  })
  follow(stream.dataset.liveEvents, indicator, {
    hello() {},
    tick({ shown, of }) {
      if (of > shown) mark(indicator, 'on', `Live, showing ${shown} of ${of.toLocaleString('en-US')} events a second`)
    },
    event(event) {
      if (paused || held) {
        waiting.push(event)
        if (waiting.length > 200) waiting.shift()
        label()
      } else show(event)
    },
    outcome({ ids, at, glyph, tone, word }) {
      for (const id of ids) {
        const own = list.querySelector(`[data-id="${CSS.escape(id)}"] .glyphs`)?.children[at]
        if (!own) continue
        own.setAttribute('class', `glyph ${tone}`)
        own.setAttribute('aria-label', word)
        own.querySelector('title').textContent = word
        own.querySelector('use').setAttribute('href', `#g-${glyph}`)
      }
    },
  })
}

// Picking rows: one for all, and Shift for a range.
const all = document.querySelector('[data-all]')
if (all) {
  const boxes = [...document.querySelectorAll('input[name="id"]')]
  let last = null
  all.addEventListener('change', () => boxes.forEach((box) => { box.checked = all.checked }))
  for (const box of boxes) {
    box.addEventListener('click', (event) => {
      if (event.shiftKey && last) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((one, other) => one - other)
        boxes.slice(from, to + 1).forEach((between) => { between.checked = box.checked })
      }
      last = box
      if (!box.checked) all.checked = false
    })
  }
}

// Keys: / searches, j and k go along, Esc leaves. None of them while a field is written in.
addEventListener('keydown', (event) => {
  const writes = event.target.closest?.('input:not([type="checkbox"]), select, textarea')
  if (event.key === 'Escape') {
    document.querySelector('.menu[open]')?.removeAttribute('open')
    if (writes) writes.blur()
    return
  }
  if (writes || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === '/') {
    const search = document.querySelector('[data-search], input[type="search"]')
    if (search) {
      event.preventDefault()
      search.focus()
    }
  }
  if (event.key === 'j' || event.key === 'k') {
    const stops = [...document.querySelectorAll('#stream-list a, .pick[href], tr[data-row] a')]
    const at = stops.indexOf(document.activeElement)
    const next = stops[at < 0 ? 0 : at + (event.key === 'j' ? 1 : -1)]
    if (next) next.focus()
  }
})

// The editor: its form is sent while one types, and what comes back takes the place of what stands there.
// The fields that are written in stay as they are; only buttons bring other rows.
const editor = () => document.querySelector('[data-editor]')
if (editor()) {
  let timer
  let number = 0
  const send = async (button) => {
    const form = editor()
    const own = ++number
    const data = new URLSearchParams(new FormData(form, button))
    if (!button) data.set('act', 'preview')
    const slow = setTimeout(() => document.querySelector('#preview')?.classList.add('stale'), 400)
    const answer = await fetch(form.action, { method: 'POST', body: data })
    clearTimeout(slow)
    if (answer.redirected) return void location.assign(answer.url)
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const fresh = page.querySelector('[data-editor]')
    // An older answer, or a page that says what went wrong.
    if (own !== number) return
    if (!fresh) return void document.querySelector('main').replaceWith(page.querySelector('main'))
    if (button) {
      form.replaceWith(document.adoptNode(fresh))
      document.querySelector('[data-focus]')?.focus()
      return
    }
    for (const id of ['preview', 'effect']) {
      const next = fresh.querySelector(`#${id}`)
      if (next) document.getElementById(id)?.replaceWith(document.adoptNode(next))
    }
    for (const rule of form.querySelectorAll('.rule')) {
      const next = fresh.querySelector(`#${rule.id}`)
      if (!next) continue
      rule.className = next.className
      for (const part of ['.mistakebox', '.more > .tag']) {
        rule.querySelector(part)?.remove()
        const made = next.querySelector(part)
        if (made && part === '.mistakebox') rule.append(document.adoptNode(made))
        else if (made) rule.querySelector('.more').insertBefore(document.adoptNode(made), rule.querySelector('.more > .row'))
      }
      for (const input of rule.querySelectorAll('input[name], select[name]')) {
        const same = next.querySelector(`[name="${CSS.escape(input.name)}"]`)
        if (!same) continue
        for (const name of ['placeholder', 'aria-invalid', 'data-unused']) {
          if (same.hasAttribute(name)) input.setAttribute(name, same.getAttribute(name))
          else input.removeAttribute(name)
        }
      }
    }
  }
  addEventListener('input', (event) => {
    if (!event.target.closest('[data-editor]') || event.target.name === 'pasted') return
    clearTimeout(timer)
    timer = setTimeout(() => send(null), 250)
  })
  addEventListener('submit', (event) => {
    if (!event.target.matches('[data-editor]')) return
    event.preventDefault()
    clearTimeout(timer)
    send(event.submitter)
  })
  addEventListener('keydown', (event) => {
    const press = (selector) => {
      const button = document.querySelector(selector)
      if (button) {
        event.preventDefault()
        button.click()
      }
    }
    if ((event.ctrlKey || event.metaKey) && event.key === 's') return press('#effect .go')
    const rule = event.target.closest?.('.rule')
    if (event.altKey && rule && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
      return press(`#${rule.id} [value^="${event.key === 'ArrowUp' ? 'up' : 'down'}:"]`)
    }
    const writes = event.target.closest?.('input, select, textarea')
    if (!writes && !event.ctrlKey && !event.metaKey && !event.altKey && event.key === 'n') press('[value="add:destination"]')
  })
}
