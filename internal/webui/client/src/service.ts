import { now, within } from "./browser.js";
import { closing } from "./closing.js";
import type { Close, Options } from "./types.js";

/** Thrown when there is no token to be had: close says what to make of it. */
export type NoToken = Error & { close: Close };

const noToken = (close: Close): NoToken => Object.assign(new Error(close.reason), { close });

const ANSWERS_WITHIN = 30_000; // ms; both the page and the service
const USED = 0.9; // of a token's lifetime, after which a request gets a new one

/** An answer, all of which has come. */
export type Answer = Response & { said: string };

/** The service, as one user asks it: its address, the user's tokens, and the time there. */
export class Service {
  /** Whose the tokens are: undefined until there was one that says so. */
  user: string | undefined;
  /** The service has accepted a token of this user. Until then, another user may take the place. */
  confirmed = false;
  /** There is no token of a user who is logged in: not yet, or not any more. */
  away = true;
  /** Why the last call of token() failed, if it did. */
  error: Error | undefined;

  #held: { token: string; until: number } | undefined; // while it is good
  #fresh = false;
  #asking: Promise<string> | undefined;
  #ahead: number | undefined; // of now(), by the service's clock

  /** Calls arrived when there is a token after there was none, or one of another user. Calls token() no more once over is aborted. */
  constructor(
    readonly base: URL,
    readonly over: AbortSignal,
    private readonly ask: Options["token"],
    private readonly arrived: () => void,
  ) {}

  /** Returns an address, with those parameters that have a value. */
  at(path: string, query: object = {}): URL {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    return url;
  }

  /** Returns the time at the service; until something is known of it, the device's, which may be hours off. */
  time(): number {
    return this.#ahead === undefined ? Date.now() : this.#ahead + now();
  }

  /** Takes over a time that the service says; NaN if it says none. */
  learnTime(time: number): void {
    if (time) this.#ahead = time - now();
  }

  /** Returns the token that is held, or a new one. */
  async token(): Promise<string> {
    if (this.#held && this.#held.until < now()) this.drop(this.#held.token, true);
    return this.#held?.token ?? this.renew(this.#fresh);
  }

  /** Returns a new token. All who ask at the same time share one call of token(). */
  renew(fresh = true): Promise<string> {
    return (this.#asking ??= this.#next(fresh).finally(() => (this.#asking = undefined)));
  }

  /** The service says for how many seconds a token is still good. */
  lasts(token: string, seconds?: number): void {
    if (seconds !== undefined && this.#held?.token === token) this.#held.until = now() + seconds * 1000 * USED;
  }

  /** A token is of no more use, or may be of none; refused says that the service did not want it. */
  drop(token: string, refused: boolean): void {
    if (this.#held?.token !== token) return;
    this.#held = undefined;
    this.#fresh = refused;
  }

  /**
   * Asks the service, and once more with a new token if it does not want this one.
   * If the request is one user's, it is not sent with a token of another.
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

  /** Asks the service once, which a page that closes meanwhile does not undo. */
  fetchWith(token: string, url: URL, init: RequestInit, ms = ANSWERS_WITHIN): Promise<Answer> {
    return within(ms, async (signal) => {
      const answer = await fetch(url, { ...init, headers: { ...init.headers, ...bearer(token) }, signal });
      this.learnTime(Date.parse(answer.headers.get("Date")!));
      return Object.assign(answer, { said: await answer.text() });
    });
  }

  async #next(fresh: boolean): Promise<string> {
    const read = await this.#call(fresh);
    if (!read) throw noToken({ ...closing(4401, "no-token"), reconnect: false });
    const { token, user } = read;
    const other = user && user !== this.user;
    // Cursors, marks and the list on the page are the first user's.
    if (other && this.user && this.confirmed) throw noToken(closing(4403, "token-of-another-user"));
    this.#held = { token, until: Infinity };
    this.#fresh = false;
    if (other) this.user = user;
    if (other || this.away) {
      this.away = false;
      this.arrived();
    }
    return token;
  }

  /** Calls token(), and reads what it returns; undefined if nobody is logged in. */
  async #call(fresh: boolean): Promise<ReturnType<typeof read> | undefined> {
    try {
      const value: unknown = await within(ANSWERS_WITHIN, async () => this.ask({ fresh }), this.over);
      const token = value == null ? undefined : read(value);
      this.error = undefined;
      return token;
    } catch (error) {
      if (!this.error && !this.over.aborted) console.error("bellhop: token() failed:", error);
      this.error = error instanceof Error ? error : new Error(String(error));
      throw noToken(closing(4401, "token-failed"));
    }
  }
}

/** Reads whose token it is, and throws if it is no JWT. Whether it is a good one, the service says. */
function read(value: unknown): { token: string; user: string | undefined } {
  try {
    const token = (value as string).trim();
    const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)!;
    // As Latin-1, for it is not shown to anybody.
    const { sub } = JSON.parse(atob(payload!.replace(/-/g, "+").replace(/_/g, "/")));
    return { token, user: typeof sub === "string" ? sub : undefined };
  } catch {
    throw new TypeError(`token() returned no JWT but a ${typeof value}; does it check response.ok?`);
  }
}

export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
