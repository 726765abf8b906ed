// What a JavaScript author needs to write a Switchyard integration, and nothing else.
//
// A plugin computes: it turns events into requests, and the host sends them. plugin.js exports
// `plan(settings, batch, plan)`, and where it has more to say `configure(settings)` and
// `judge(settings, response, judgement)`. switchyard.d.ts has the types.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const bytesOf = (body) => (typeof body === "string" ? encoder.encode(body) : body);

/** One event of a batch. */
export class Event {
  #data;

  constructor(wire, position) {
    this.position = position;
    this.kind = wire.kind;
    this.messageId = wire.messageId;
    this.receivedMs = Number(wire.receivedMs);
    this.consent = wire.consent === undefined ? undefined : Object.fromEntries(wire.consent);
    this.bytes = wire.json;
  }

  get text() {
    return decoder.decode(this.bytes);
  }

  get data() {
    return (this.#data ??= JSON.parse(this.text));
  }

  get(path) {
    return path.split(".").reduce((value, key) => value?.[key], this.data);
  }

  get timestampMs() {
    const time = typeof this.data.timestamp === "string" ? Date.parse(this.data.timestamp) : NaN;
    return Number.isNaN(time) ? this.receivedMs : time;
  }
}

/** The events that are planned together, and the time for which they are. */
export class Batch {
  constructor(nowMs, events) {
    this.nowMs = nowMs;
    this.events = events;
  }

  get length() {
    return this.events.length;
  }

  [Symbol.iterator]() {
    return this.events[Symbol.iterator]();
  }

  *groups(keyOf, { eventsMax = Infinity, bytesMax = Infinity } = {}) {
    const open = new Map();
    const done = [];
    for (const event of this.events) {
      const key = keyOf(event);
      if (key === undefined || key === null) continue;
      let group = open.get(key);
      if (group && (group.events.length >= eventsMax || group.bytes + event.bytes.length > bytesMax)) group = undefined;
      if (!group) {
        group = { key, events: [], bytes: 0 };
        open.set(key, group);
        done.push(group);
      }
      group.events.push(event);
      group.bytes += event.bytes.length;
    }
    for (const { key, events } of done) yield [key, events];
  }
}

/** A request that the host sends. */
export class Request {
  #wire;

  constructor(method, url) {
    this.#wire = {
      key: "", method, url, headers: [], body: new Uint8Array(), auth: [], covers: [], lanes: [], quota: undefined,
      notAfterMs: undefined, tag: new Uint8Array(),
    };
  }

  header(name, value) {
    this.#wire.headers.push([name, String(value)]);
    return this;
  }

  json(value) {
    this.#wire.body = encoder.encode(JSON.stringify(value));
    return this.header("content-type", "application/json");
  }

  jsonEvent(event) {
    this.#wire.body = event.bytes;
    return this.header("content-type", "application/json").cover(event);
  }

  form(fields) {
    const pairs = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
    const text = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
    return this.body("application/x-www-form-urlencoded", text);
  }

  body(contentType, body) {
    this.#wire.body = bytesOf(body);
    return this.header("content-type", contentType);
  }

  bearer(token) {
    return this.#auth("bearer", token);
  }

  basic(user, password) {
    return this.#auth("basic", [user, password]);
  }

  authHeader(name, value) {
    return this.#auth("header", [name, value]);
  }

  authQuery(name, value) {
    return this.#auth("query", [name, value]);
  }

  named(scheme) {
    return this.#auth("named", scheme);
  }

  #auth(tag, val) {
    this.#wire.auth.push({ tag, val });
    return this;
  }

  key(key) {
    this.#wire.key = key;
    return this;
  }

  lane(lane) {
    this.#wire.lanes.push(lane);
    return this;
  }

  quota(quota) {
    this.#wire.quota = quota;
    return this;
  }

  notAfter(atMs) {
    this.#wire.notAfterMs = BigInt(atMs);
    return this;
  }

  tag(tag) {
    this.#wire.tag = bytesOf(tag);
    return this;
  }

  cover(...events) {
    for (const event of events.flat()) this.#wire.covers.push(typeof event === "number" ? event : event.position);
    return this;
  }

  /** As the contract has it. */
  wire() {
    return { ...this.#wire, covers: Uint32Array.from(this.#wire.covers) };
  }
}

/** Takes requests, and the fates of events that get none. */
export class Plan {
  #requests = [];
  #fates = [];

  request(method, url) {
    const request = new Request(method, url);
    this.#requests.push(request);
    return request;
  }

  post(url) {
    return this.request("POST", url);
  }

  skip(event, reason) {
    this.#fates.push([event.position, { tag: "skip", val: reason }]);
  }

  reject(event, reason) {
    this.#fates.push([event.position, { tag: "reject", val: reason }]);
  }

  defer(event, untilMs) {
    this.#fates.push([event.position, { tag: "defer-until-ms", val: BigInt(untilMs) }]);
  }

  /** As the contract has it. */
  wire() {
    return { requests: this.#requests.map((request) => request.wire()), fates: this.#fates };
  }
}

/** What the vendor answered. */
export class Response {
  constructor(wire, nowMs) {
    this.nowMs = nowMs;
    this.status = wire.status;
    this.headers = wire.headers;
    this.body = wire.body;
    this.covers = Array.from(wire.covers);
    this.tag = decoder.decode(wire.tag);
  }

  header(name) {
    return this.headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
  }

  text() {
    return decoder.decode(this.body);
  }

  json() {
    try {
      return JSON.parse(this.text());
    } catch {
      return undefined;
    }
  }
}

/** What the answer means. Events without a verdict get the host's reading of the status. */
export class Judgement {
  #verdicts = [];
  #followUps = [];
  #slowUntilMs;
  #slowQuotaUntilMs;
  #pause;
  #split = false;

  delivered(...positions) {
    return this.#say(positions, { tag: "delivered" });
  }

  warned(positions, warning) {
    return this.#say([positions], { tag: "warned", val: warning });
  }

  retry(positions, afterMs) {
    return this.#say([positions], { tag: "retry-after-ms", val: afterMs === undefined ? undefined : BigInt(afterMs) });
  }

  skip(positions, reason) {
    return this.#say([positions], { tag: "skip", val: reason });
  }

  reject(positions, reason) {
    return this.#say([positions], { tag: "reject", val: reason });
  }

  authExpired(...positions) {
    return this.#say(positions, { tag: "auth-expired" });
  }

  followUp(method, url) {
    const request = new Request(method, url);
    this.#followUps.push(request);
    return request;
  }

  slowUntil(atMs) {
    this.#slowUntilMs = BigInt(atMs);
    return this;
  }

  slowQuotaUntil(atMs) {
    this.#slowQuotaUntilMs = BigInt(atMs);
    return this;
  }

  pause(why) {
    this.#pause = why;
    return this;
  }

  split() {
    this.#split = true;
    return this;
  }

  #say(positions, verdict) {
    for (const position of positions.flat()) this.#verdicts.push([position, verdict]);
    return this;
  }

  /** As the contract has it. */
  wire() {
    return {
      verdicts: this.#verdicts,
      followUps: this.#followUps.map((request) => request.wire()),
      slowUntilMs: this.#slowUntilMs,
      slowQuotaUntilMs: this.#slowQuotaUntilMs,
      pause: this.#pause,
      split: this.#split,
    };
  }
}
