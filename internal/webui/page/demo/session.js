// The tokens of the demo. A real page gets the token of its user from its own backend.
// The demo serves one for each of its two users, and one for the publisher.

let current = null;

/** Returns the session; with fresh, one with new tokens. */
export function session({ fresh = false } = {}) {
  if (fresh || !current) {
    const asked = load();
    current = asked;
    asked.catch(() => {
      if (current === asked) current = null; // the next call requests it again
    });
  }
  return current;
}

async function load() {
  const answer = await fetch(new URL("session.json", import.meta.url), { cache: "no-store" });
  if (!answer.ok) throw new Error(`the request for tokens failed: ${answer.status}`);
  return answer.json();
}

/** Returns the address of a path of the service below its base path, which may be empty. */
export function address(base, path) {
  return new URL(base + path, location.origin).href.replace(/\/$/, "");
}
