import { now, withTimeout } from "./browser.js";
import { toClose } from "./close.js";
import type { Close, Options } from "./types.js";

/** Thrown if no token is available; close has the reason, and whether to reconnect. status is 401 if no user is logged in. */
export type NoToken = Error & { close: Close; status: number | undefined };

const noToken = (close: Close): NoToken => Object.assign(new Error(close.reason), { close, status: close.reconnect ? undefined : 401 });

const ANSWER_TIMEOUT = 30_000; // ms, for token() and for requests to the service
const USABLE_PART = 0.9; // of a token's lifetime, after which requests use a new token

/** A response whose complete body has been read. */
export type Answer = Response & { data: string };

/** Sends one user's requests to the service. Has the service's address and time, and the user's tokens. */
export class Service {
  /** The subject of the tokens; undefined until a token has named one. */
  user: string | undefined;
  /** The service has accepted a token of this user. Until then, a token may change the user. */
  confirmed = false;
  /** No user is logged in, as far as token() has returned. */
  loggedOut = true;
  /** The error of the last call of token(), if it failed. */
  error: Error | undefined;

  #getToken: Options["token"];
  #onUser: () => void;
  #cached: { token: string; until: number } | undefined; // until is a time of now()
  #freshNext = false;
  #renewal: Promise<string> | undefined;
  #clockOffset: number | undefined; // the service's time minus now()

  /** Calls onUser when the first token after a logout arrives, or a token of another user. token() is not called after closed is aborted. */
  constructor(
    readonly base: URL,
    readonly signal: AbortSignal,
    getToken: Options["token"],
    onUser: () => void,
  ) {
    this.#getToken = getToken;
    this.#onUser = onUser;
  }

  /** Returns the address of path, with the query parameters that have a value. A list repeats its parameter. */
  url(path: string, query: object = {}): URL {
    const url = new URL(path, this.base);
    for (const [name, values] of Object.entries(query)) for (const value of [values].flat()) if (value) url.searchParams.append(name, value);
    return url;
  }

  /** Returns the time of the service's clock; until the service has sent it, the device's, which may be hours off. */
  time(): number {
    return this.#clockOffset === undefined ? Date.now() : this.#clockOffset + now();
  }

  /** Sets the service's time. NaN, for a response without a time, is ignored. */
  setTime(time: number): void {
    if (time) this.#clockOffset = time - now();
  }

  /** Returns the #cached token, or a new one. */
  async token(): Promise<string> {
    if (this.#cached && this.#cached.until < now()) this.drop(this.#cached.token, true);
    return this.#cached?.token ?? this.renew(this.#freshNext);
  }

  /** Returns a new token. Concurrent callers share one call of token(). */
  renew(fresh = true): Promise<string> {
    return (this.#renewal ??= this.#newToken(fresh).finally(() => (this.#renewal = undefined)));
  }

  /** Sets the remaining lifetime of a token, in seconds, as the service sent it. */
  expires(token: string, seconds?: number): void {
    if (seconds !== undefined && this.#cached?.token === token) this.#cached.until = now() + seconds * 1000 * USABLE_PART;
  }

  /** Removes a token from the cache. refused means that the service refused it, so the next call of token() asks for a fresh one. */
  drop(token: string, refused: boolean): void {
    if (this.#cached?.token !== token) return;
    this.#cached = undefined;
    this.#freshNext = refused;
  }

  /**
   * Sends a request, and repeats it once with a new token if the service answers 401.
   * If user is given, the request is not sent with the token of another user.
   */
  async fetch(url: URL, init: RequestInit, user?: string): Promise<Answer> {
    for (let last = false; ; last = true) {
      const token = await this.token();
      if (user && user !== this.user) throw user;
      const answer = await this.fetchWith(token, url, init);
      if (answer.status !== 401) return answer;
      this.drop(token, true);
      if (last) return answer;
    }
  }

  /** Sends a request once. Closing the client does not abort it. */
  fetchWith(token: string, url: URL, init: RequestInit, ms = ANSWER_TIMEOUT): Promise<Answer> {
    return withTimeout(ms, async (signal) => {
      const answer = await fetch(url, { ...init, headers: { ...init.headers, ...bearer(token) }, signal });
      this.setTime(Date.parse(answer.headers.get("Date")!));
      return Object.assign(answer, { data: await answer.text() });
    });
  }

  async #newToken(fresh: boolean): Promise<string> {
    const read = await this.#callToken(fresh);
    if (!read) throw noToken({ ...toClose(4401, "no-token"), reconnect: false });
    const { token, user } = read;
    const userChanged = user && user !== this.user;
    // The page's cursor, marks and list belong to the first user.
    if (userChanged && this.user && this.confirmed) throw noToken(toClose(4403, "token-of-another-user"));
    this.#cached = { token, until: Infinity };
    this.#freshNext = false;
    if (userChanged) this.user = user;
    if (userChanged || this.loggedOut) {
      this.loggedOut = false;
      this.#onUser();
    }
    return token;
  }

  /** Calls token() and parses its result; returns undefined if no user is logged in. */
  async #callToken(fresh: boolean): Promise<ReturnType<typeof read> | undefined> {
    try {
      const value: unknown = await withTimeout(ANSWER_TIMEOUT, async () => this.#getToken({ fresh }), this.signal);
      const token = value == null ? undefined : read(value);
      this.error = undefined;
      return token;
    } catch (error) {
      if (!this.error && !this.signal.aborted) console.error("bellhop: token() failed:", error);
      this.error = error instanceof Error ? error : new Error(String(error));
      throw noToken(toClose(4401, "token-failed"));
    }
  }
}

/** Returns a token and its subject, without verifying it; throws if value is not a JWT. */
function read(value: unknown): { token: string; user: string | undefined } {
  try {
    const token = (value as string).trim();
    const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)!;
    // Decoded as Latin-1: the subject is only compared, never displayed.
    const { sub } = JSON.parse(atob(payload!.replace(/-/g, "+").replace(/_/g, "/")));
    return { token, user: typeof sub === "string" ? sub : undefined };
  } catch {
    throw new TypeError(`token() returned a ${typeof value}, not a JWT; check response.ok`);
  }
}

export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
