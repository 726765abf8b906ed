const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** FNV-1a of a text, from a start of its own. @param {string} text @param {number} start */
function hash(text, start) {
  let hashed = 0x811c9dc5 ^ start;
  for (let at = 0; at < text.length; at += 1) hashed = Math.imul(hashed ^ text.charCodeAt(at), 0x01000193);
  return (hashed >>> 0).toString(16).padStart(8, "0");
}

/**
 * The UUID that PostHog knows an event by: the messageId where it is one, else one made of it, so that
 * an event that is sent again is the same event.
 * @param {string} messageId
 */
export function uuidOf(messageId) {
  if (UUID.test(messageId)) return messageId.toLowerCase();
  const digits = [0, 1, 2, 3].map((start) => hash(messageId, Math.imul(start, 0x9e3779b9))).join("");
  return [
    digits.slice(0, 8), digits.slice(8, 12), `8${digits.slice(13, 16)}`, `8${digits.slice(17, 20)}`, digits.slice(20),
  ].join("-");
}
