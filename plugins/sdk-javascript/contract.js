// What makes the contract's exports of a plugin's functions. The clock is the call's, chance comes
// from the call's events, and console writes to the author: nothing else comes from outside.

import { write } from "switchyard:log/log@1.0.0";
import { Batch, Event, Judgement, Plan, Response } from "./switchyard.js";

const SystemDate = Date;
let nowMs = 0;
let chance = 0;
let called = false;

globalThis.Date = class Date extends SystemDate {
  constructor(...parts) {
    if (parts.length === 0) super(nowMs);
    else super(...parts);
  }

  static now() {
    return nowMs;
  }
};

Math.random = () => {
  chance = (chance + 0x6d2b79f5) | 0;
  let mixed = Math.imul(chance ^ (chance >>> 15), 1 | chance);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
};

const said = (value) => {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack ? `${value}\n${value.stack}` : String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
};
for (const level of ["log", "info", "debug", "warn", "error", "trace"]) {
  console[level] = (...values) => {
    if (called) write(values.map(said).join(" ") + "\n");
  };
}

/** Runs a call of the host's, with its time and with chance that depends on its input alone. */
function within(callMs, seed, call) {
  called = true;
  nowMs = Number(callMs);
  chance = nowMs | 0;
  for (let at = 0; at < seed.length; at += 1) chance = (Math.imul(chance, 31) + seed.charCodeAt(at)) | 0;
  try {
    return call();
  } catch (error) {
    // The contract's error is a text; a trap would tell the author nothing.
    throw said(error);
  }
}

let state;

/** The planner of a plugin's functions. */
export const planner = (plugin) => ({
  configure: (json) =>
    within(0, "", () => {
      const settings = JSON.parse(json);
      state = plugin.configure ? plugin.configure(settings) : settings;
    }),
  planBatch: (callMs, events) =>
    within(callMs, events[0]?.messageId ?? "", () => {
      const plan = new Plan();
      const batch = new Batch(nowMs, events.map((event, position) => new Event(event, position)));
      plugin.plan(state, batch, plan);
      return plan.wire();
    }),
});

/** The judge of a plugin's functions. */
export const judge = (plugin) => ({
  judgeResponse: (callMs, response) =>
    within(callMs, "", () => {
      const judgement = new Judgement();
      plugin.judge(state, new Response(response, nowMs), judgement);
      return judgement.wire();
    }),
});
