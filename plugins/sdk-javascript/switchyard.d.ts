/** JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Kind = "track" | "identify" | "page" | "screen" | "group" | "alias";

/** An event as its sender wrote it. Members that you rely on may be missing or of another type. */
export interface EventData {
  type: Kind;
  messageId: string;
  userId?: string;
  anonymousId?: string;
  event?: string;
  name?: string;
  groupId?: string;
  previousId?: string;
  timestamp?: string;
  properties?: Record<string, any>;
  traits?: Record<string, any>;
  context?: Record<string, any>;
  integrations?: Record<string, any>;
  [key: string]: any;
}

/** One event of a batch. */
export class Event {
  /** Its position in the batch. */
  readonly position: number;
  readonly kind: Kind;
  /** Its identity: what the vendor deduplicates by comes from this alone. */
  readonly messageId: string;
  /** When the host accepted it: milliseconds since 1970. */
  readonly receivedMs: number;
  /** Purpose and whether it was granted; undefined when nothing is known. */
  readonly consent: Record<string, boolean> | undefined;
  /** The whole event as JSON: UTF-8. */
  readonly bytes: Uint8Array;
  /** The same as text. */
  readonly text: string;
  /** The event, parsed when it is first asked for. */
  readonly data: EventData;
  /** The value at a path of keys, `properties.order_id`; undefined when it is not there. */
  get(path: string): any;
  /** When it happened, from `timestamp`, else when the host accepted it: milliseconds since 1970. */
  readonly timestampMs: number;
}

/** The events that are planned together, and the time for which they are. */
export class Batch implements Iterable<Event> {
  /** The only clock: milliseconds since 1970. `Date` gives the same. */
  readonly nowMs: number;
  readonly length: number;
  readonly events: readonly Event[];
  [Symbol.iterator](): Iterator<Event>;
  /**
   * Events that share a request: those with the same key, at most so many and of so many bytes together,
   * in their order. Events without a key (undefined or null) are in no group: give them a fate.
   */
  groups<K>(keyOf: (event: Event) => K | undefined | null, bounds?: { eventsMax?: number; bytesMax?: number }): Iterable<[K, Event[]]>;
}

/** A request that the host sends. Each call returns the request itself. */
export class Request {
  header(name: string, value: string | number): this;
  /** A JSON body. */
  json(value: unknown): this;
  /** The event whole, as JSON, and covers it. */
  jsonEvent(event: Event): this;
  /** A form body; fields without a value are left out. */
  form(fields: Record<string, string | number | boolean | undefined | null>): this;
  /** A body of that content type. */
  body(contentType: string, body: string | Uint8Array): this;
  /** `Authorization: Bearer <value>`. */
  bearer(token: string): this;
  basic(user: string, password: string): this;
  authHeader(name: string, value: string): this;
  authQuery(name: string, value: string): this;
  /** A scheme that the host runs over the bytes it sends; the contract lists them. */
  named(scheme: string): this;
  /** Names this request among those of one event. */
  key(key: string): this;
  /** Of the requests in one lane at most one is in flight. May be called more than once. */
  lane(lane: string): this;
  /** The vendor's limit that it counts against, where the vendor has several. */
  quota(quota: string): this;
  /** Not sent after this time; its events are then planned again. */
  notAfter(atMs: number): this;
  /** Handed back to the judge. */
  tag(tag: string | Uint8Array): this;
  /** The request carries these events. */
  cover(...events: (Event | number | readonly (Event | number)[])[]): this;
}

/** Takes requests, and the fates of events that get none. Every event of the batch needs one of both. */
export class Plan {
  request(method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE", url: string): Request;
  post(url: string): Request;
  /** Not meant for this vendor: counted as filtered. */
  skip(event: Event, reason: string): void;
  /** Cannot be sent: a dead letter. Name the field. */
  reject(event: Event, reason: string): void;
  /** Plan it again at this time: milliseconds since 1970. */
  defer(event: Event, untilMs: number): void;
}

/** What the vendor answered. */
export class Response {
  readonly nowMs: number;
  readonly status: number;
  readonly headers: readonly [string, string][];
  readonly body: Uint8Array;
  /** The events that the request carried, by position. */
  readonly covers: readonly number[];
  /** What the plan gave the request. */
  readonly tag: string;
  header(name: string): string | undefined;
  text(): string;
  /** The body as JSON; undefined when it is none. */
  json(): any;
}

type Positions = number | readonly number[];

/** What the answer means. Events without a verdict get the host's reading of the status. */
export class Judgement {
  delivered(...positions: Positions[]): this;
  /** Delivered, and the vendor warns of something. */
  warned(positions: Positions, warning: string): this;
  /** Send it again, not before so many milliseconds. */
  retry(positions: Positions, afterMs?: number): this;
  skip(positions: Positions, reason: string): this;
  reject(positions: Positions, reason: string): this;
  authExpired(...positions: Positions[]): this;
  /** A request that follows from the answer; it covers events of the response. */
  followUp(method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE", url: string): Request;
  /** Nothing more to this destination before this time. */
  slowUntil(atMs: number): this;
  /** No more requests with the quota of this one before this time. */
  slowQuotaUntil(atMs: number): this;
  /** Nothing more to this destination until the operator resumes it. */
  pause(why: string): this;
  /** Refused as a whole, and perhaps for one of its events: the host halves the request. */
  split(): this;
}

/** What plugin.js exports. `State` is what `configure` returns; without it, the settings. */
export interface Plugin<Settings, State = Settings> {
  /** Throw to refuse the settings: say which is wrong and what would be right. */
  configure?(settings: Settings): State;
  plan(state: State, batch: Batch, plan: Plan): void;
  judge?(state: State, response: Response, judgement: Judgement): void;
}
