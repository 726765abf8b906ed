const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The namespace of the UUIDs that are made here, 7b0f5c1e-9d0a-5e0b-8f5a-3c1d2e4f6a79. */
const NAMESPACE = [
  0x7b, 0x0f, 0x5c, 0x1e, 0x9d, 0x0a, 0x5e, 0x0b, 0x8f, 0x5a, 0x3c, 0x1d, 0x2e, 0x4f, 0x6a, 0x79,
];

/**
 * The UUID that PostHog knows an event by: the messageId where it is one, else one made of it (version 5
 * of RFC 9562), so that an event that is sent again is the same event.
 * @param {string} messageId
 */
export function uuidOf(messageId) {
  if (UUID.test(messageId)) return messageId.toLowerCase();
  const bytes = sha1([...NAMESPACE, ...utf8(messageId)]).slice(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x50;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A text's bytes in UTF-8; half a surrogate pair is U+FFFD. @param {string} text */
function utf8(text) {
  const bytes = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    const code = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
    if (code < 0x80) {
      bytes.push(code);
    } else if (code < 0x800) {
      bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    } else {
      bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    }
  }
  return bytes;
}

/** SHA-1 of some bytes, as FIPS 180-4 has it: 20 bytes. @param {number[]} bytes */
function sha1(bytes) {
  const bits = bytes.length * 8;
  const padded = [...bytes, 0x80];
  while (padded.length % 64 !== 56) padded.push(0);
  for (let at = 7; at >= 0; at -= 1) padded.push(Math.floor(bits / 2 ** (8 * at)) & 0xff);
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  for (let start = 0; start < padded.length; start += 64) block(state, padded.slice(start, start + 64));
  return state.flatMap((word) => [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff]);
}

/** Takes 64 bytes into the state. @param {number[]} state @param {number[]} bytes */
function block(state, bytes) {
  const words = [];
  for (let at = 0; at < 16; at += 1) {
    words.push((bytes[4 * at] << 24) | (bytes[4 * at + 1] << 16) | (bytes[4 * at + 2] << 8) | bytes[4 * at + 3]);
  }
  for (let at = 16; at < 80; at += 1) {
    words.push(rotated(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 1));
  }
  let [a, b, c, d, e] = state;
  words.forEach((word, at) => {
    const [mixed, constant] = [
      [(b & c) | (~b & d), 0x5a827999],
      [b ^ c ^ d, 0x6ed9eba1],
      [(b & c) | (b & d) | (c & d), 0x8f1bbcdc],
      [b ^ c ^ d, 0xca62c1d6],
    ][Math.floor(at / 20)];
    const next = (rotated(a, 5) + mixed + e + constant + word) | 0;
    [a, b, c, d, e] = [next, a, rotated(b, 30), c, d];
  });
  [a, b, c, d, e].forEach((word, at) => {
    state[at] = (state[at] + word) | 0;
  });
}

/** A word of 32 bits, rotated to the left. @param {number} word @param {number} bits */
function rotated(word, bits) {
  return (word << bits) | (word >>> (32 - bits));
}
