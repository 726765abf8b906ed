/** @import { Batch, Plan } from "./switchyard/switchyard.js" */

/**
 * {{title}}: posts each event as JSON.
 * @param {{ url: string }} settings
 * @param {Batch} batch
 * @param {Plan} plan
 */
export function plan(settings, batch, plan) {
  for (const event of batch) {
    plan.post(settings.url).jsonEvent(event);
  }
}
