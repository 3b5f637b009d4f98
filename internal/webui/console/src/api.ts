// Requests to the console's routes.

/** An answer that is an error, as RFC 9457 defines it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly faults: { pointer: string; detail: string }[] = [],
  ) {
    super(`${status}: ${detail || title}`);
  }
}

/** Returns the problem of an answer that is not OK. */
export async function problemOf(answer: Response): Promise<Problem> {
  const body = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string; errors?: { pointer: string; detail: string }[] };
  return new Problem(answer.status, body.title ?? answer.statusText, body.detail ?? "", Array.isArray(body.errors) ? body.errors : []);
}

/** Returns what to tell a person about an error. */
export function explain(error: unknown): string {
  if (!(error instanceof Problem)) return error instanceof TypeError ? "The service did not answer." : String(error);
  const faults = error.faults.map(({ pointer, detail }) => (pointer ? `${pointer}: ${detail}` : detail));
  return [`${error.status} ${error.title}${error.detail ? `: ${error.detail}` : ""}`, ...faults].join("\n");
}

const KEY = "bellhop.console.token";

/** The token of this tab. It is kept until the tab closes, and never in a cookie: other sites cannot use it. */
export class Token {
  #value = "";

  constructor() {
    try {
      this.#value = sessionStorage.getItem(KEY) ?? "";
    } catch {
      // Storage is denied: the token is kept until the page is closed.
    }
  }

  get value(): string {
    return this.#value;
  }

  set value(token: string) {
    this.#value = token;
    try {
      if (token) sessionStorage.setItem(KEY, token);
      else sessionStorage.removeItem(KEY);
    } catch {
      // As above.
    }
  }

  headers(): Record<string, string> {
    const value = this.#value.replace(/[^\x21-\x7e]/g, "?"); // a header cannot have others, and the service refuses this token
    return value ? { Authorization: `Bearer ${value}` } : {};
  }
}

export class API {
  /** onUnauthorized is called when a request is refused for lack of a valid token. */
  constructor(
    readonly token: Token,
    readonly onUnauthorized: (problem: Problem) => void,
  ) {}

  get<T>(path: string, query: Record<string, string | undefined> = {}): Promise<T> {
    const set = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
    return this.#do("GET", path + (set.length ? `?${new URLSearchParams(set)}` : "")) as Promise<T>;
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.#do("POST", path, body) as Promise<T>;
  }

  async delete(path: string): Promise<void> {
    await this.#do("DELETE", path);
  }

  async #do(method: string, path: string, body?: unknown): Promise<unknown> {
    const headers: Record<string, string> = { ...this.token.headers(), "Bellhop-Console": "1" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const init = { method, headers, cache: "no-store", body: body === undefined ? null : JSON.stringify(body) } as const;
    const answer = await fetch(`console/api/${path}`, init);
    if (!answer.ok) {
      const problem = await problemOf(answer);
      if (answer.status === 401) this.onUnauthorized(problem);
      throw problem;
    }
    return answer.status === 204 ? undefined : answer.json();
  }
}

/** Returns a name as a part of a path. */
export const part = encodeURIComponent;
