/** @import { Batch, Event, Plan } from "./switchyard/switchyard.js" */

import { uuidOf } from "./uuid.js";

/** @typedef {{ project_key: string, region?: "us" | "eu", endpoint?: string, group_type?: string }} Settings */
/** @typedef {{ key: string, url: string, groupType: string }} State */

const REGIONS = { us: "https://us.i.posthog.com", eu: "https://eu.i.posthog.com" };

/** @param {Settings} settings @returns {State} */
export function configure(settings) {
  const endpoint = settings.endpoint ?? REGIONS[settings.region ?? "us"];
  return {
    key: settings.project_key,
    url: `${endpoint.replace(/\/+$/, "")}/batch/`,
    groupType: settings.group_type ?? "company",
  };
}

/** @param {State} state @param {Batch} batch @param {Plan} plan */
export function plan(state, batch, plan) {
  const records = [];
  const sent = [];
  for (const event of batch) {
    const record = recordOf(state, event);
    if (typeof record === "string") {
      plan.reject(event, record);
    } else {
      records.push(record);
      sent.push(event);
    }
  }
  if (sent.length > 0) plan.post(state.url).json({ api_key: state.key, batch: records }).cover(sent);
}

/** What PostHog keeps of an event, or why it cannot be sent. @param {State} state @param {Event} event */
function recordOf(state, event) {
  const { data } = event;
  const user = data.userId ?? data.anonymousId;
  if (user === undefined) return "userId and anonymousId are missing";
  const named = naming(state, event);
  if (typeof named === "string") return named;
  return {
    event: named.event,
    uuid: uuidOf(event.messageId),
    timestamp: new Date(event.timestampMs).toISOString(),
    properties: { distinct_id: String(user), $lib: "switchyard", ...context(data.context), ...named.properties },
  };
}

/** @param {State} state @param {Event} event @returns {{ event: string, properties: object } | string} */
function naming(state, { kind, data }) {
  switch (kind) {
    case "track":
      return data.event ? { event: data.event, properties: { ...data.properties } } : "event is missing";
    case "page":
      return { event: "$pageview", properties: { ...data.properties, title: data.name ?? data.properties?.name } };
    case "screen":
      return { event: "$screen", properties: { ...data.properties, $screen_name: data.name } };
    case "identify":
      return { event: "$identify", properties: { $set: data.traits ?? {}, $anon_distinct_id: anonymous(data) } };
    case "group":
      if (data.groupId === undefined) return "groupId is missing";
      return {
        event: "$groupidentify",
        properties: { $group_type: state.groupType, $group_key: String(data.groupId), $group_set: data.traits ?? {} },
      };
    case "alias":
      if (data.previousId === undefined) return "previousId is missing";
      return { event: "$create_alias", properties: { alias: String(data.previousId) } };
    default:
      return `${kind} is not an event that PostHog knows`;
  }
}

/** The anonymous id that becomes the user's. @param {Event["data"]} data */
function anonymous(data) {
  return data.userId === undefined ? undefined : data.anonymousId;
}

/** @param {Record<string, any>} [context] */
function context(context = {}) {
  return {
    $ip: context.ip,
    $current_url: context.page?.url,
    $pathname: context.page?.path,
    $referrer: context.page?.referrer,
    $os: context.os?.name,
    $raw_user_agent: context.userAgent,
  };
}
