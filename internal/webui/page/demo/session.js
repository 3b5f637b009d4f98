// The demo's tokens. A real page gets the token of its user from its own
// backend; the demo hands out one for each of its two users, and a publisher's.

let current = null;

/** Returns the session; with fresh, one with new tokens. */
export function session({ fresh = false } = {}) {
  if (fresh || !current) {
    const asked = load();
    current = asked;
    asked.catch(() => {
      if (current === asked) current = null; // ask again next time
    });
  }
  return current;
}

async function load() {
  const answer = await fetch(new URL("session.json", import.meta.url), { cache: "no-store" });
  if (!answer.ok) throw new Error(`the demo gave no tokens: ${answer.status}`);
  return answer.json();
}

/** Returns the address of a path of the service, which may stand under a base path. */
export function address(base, path) {
  return new URL(base + path, location.origin).href.replace(/\/$/, "");
}
