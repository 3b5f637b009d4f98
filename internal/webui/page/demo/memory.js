// What a device keeps over a reload of its tab: its list and its cursor, in one
// piece, so that neither is ever ahead of the other.

const KEY = "bellhop.demo.device.";

export function recall(user) {
  const nothing = { cursor: null, entries: [], looked: [] };
  try {
    return { ...nothing, ...JSON.parse(sessionStorage.getItem(KEY + user)) };
  } catch {
    return nothing;
  }
}

export function remember(user, state) {
  try {
    sessionStorage.setItem(KEY + user, JSON.stringify(state));
  } catch {
    // Denied or full: what was kept before is older, but still of one piece.
  }
}
