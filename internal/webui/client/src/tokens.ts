import { closing } from "./closing.js";
import type { Close, Options } from "./types.js";

/** Thrown when there is no token to be had: close says what to make of it. */
export class NoToken extends Error {
  constructor(readonly close: Close) {
    super(close.reason);
  }
}

const SOON = 10_000; // ms before its end at which a token is of no more use

/** The tokens of one user, the last of which is kept while it is good. */
export class Tokens {
  /** Whose they are, once there was one. */
  user?: string;

  #ask: Options["token"];
  #held?: { token: string; end: number } | undefined;
  #fresh = false;

  constructor(ask: Options["token"]) {
    this.#ask = ask;
  }

  /** The service did not want the last one, or soon will not. */
  refused(): void {
    this.#held = undefined;
    this.#fresh = true;
  }

  async get(): Promise<string> {
    if (this.#held && this.#held.end < Date.now() + SOON) this.refused();
    if (!this.#held) {
      const token = await this.#ask({ fresh: this.#fresh });
      if (!token) throw new NoToken({ code: 4401, reason: "no-token", reconnect: false, after: 0 });
      const { sub, exp } = claims(token);
      // Cursors, marks and the list on the page are the first user's.
      if (this.user !== undefined && sub !== this.user) throw new NoToken(closing(4403, "token-of-another-user"));
      this.user = sub;
      this.#fresh = false;
      this.#held = { token, end: exp ? exp * 1000 : Infinity };
    }
    return this.#held.token;
  }

  /** Asks the service, and once more with a new token if it does not want this one. */
  async fetch(url: URL, init: RequestInit = {}): Promise<Response> {
    for (let last = false; ; last = true) {
      const answer = await fetch(url, { ...init, headers: { ...init.headers, ...bearer(await this.get()) } });
      if (answer.status !== 401) return answer;
      this.refused();
      if (last) return answer;
    }
  }
}

function claims(token: string): { sub?: string; exp?: number } {
  try {
    const base64 = token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {}; // not ours to judge
  }
}

/** Returns an address of the service, with those parameters that have a value. */
export function at(base: URL, path: string, query: object = {}): URL {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  return url;
}

export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
