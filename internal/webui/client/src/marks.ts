import { backoff } from "./closing.js";
import { online } from "./pause.js";
import { at, type Tokens } from "./tokens.js";

/** What a mark does, as the paths below /inbox name it. */
export type Verb = "read" | "unread" | "archive";

/** What it is done to. */
export type Which = { ids: string[] } | { through: string } | { all: true };

interface Mark {
  id: string;
  verb: Verb;
  which: Which;
}

/**
 * Marks go to the service in the order in which they were made. Those made
 * offline wait, in localStorage where there is one: whichever tab or page of
 * the user comes next delivers them.
 */
export class Marks {
  #base: URL;
  #tokens: Tokens;
  #list: Mark[] = [];
  #key: string | undefined; // where they are stored, once the user is known
  #stored = false;
  #waiting = new Map<string, { resolve(): void; reject(error: Error): void }>();
  #delivering = false;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  constructor(base: URL, tokens: Tokens) {
    this.#base = base;
    this.#tokens = tokens;
  }

  /** Resolves once the service has it. */
  add(verb: Verb, which: Which): Promise<void> {
    const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
    this.#edit((list) => [...list, { id, verb, which }]);
    const added = new Promise<void>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.deliver();
    return added;
  }

  /** Keeps what was and will be added for this user, and takes over what is kept. */
  keep(user: string): void {
    const early = this.#list;
    this.#key = `bellhop/1 ${this.#base} ${user} marks`;
    this.#stored = true;
    this.#edit((kept) => (kept === early ? kept : [...kept, ...early]));
    this.deliver();
  }

  /** Delivers what waits, if that can be done now. */
  async deliver(): Promise<void> {
    if (this.#delivering || this.#closed || !this.#key || !online()) return;
    clearTimeout(this.#timer);
    this.#delivering = true;
    const locks = globalThis.navigator?.locks;
    const done = await (locks ? locks.request(this.#key, () => this.#deliverAll()) : this.#deliverAll());
    this.#delivering = false;
    if (!done) this.#timer = setTimeout(() => this.deliver(), backoff(this.#failures++));
    else if (this.#load().length) this.deliver(); // added in the meantime
  }

  /** Stops; what is stored stays, and is added to. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #deliverAll(): Promise<boolean> {
    for (;;) {
      const list = this.#load();
      this.#settle(list);
      const mark = list[0];
      if (!mark || this.#closed) return true;
      try {
        const refused = await this.#post(mark);
        if (refused) this.#waiting.get(mark.id)?.reject(refused);
      } catch {
        return false;
      }
      this.#failures = 0;
      this.#edit((list) => list.filter(({ id }) => id !== mark.id));
    }
  }

  // What is not in the list any more was delivered, be it by another tab.
  #settle(list: Mark[]): void {
    for (const [id, { resolve }] of this.#waiting) {
      if (list.some((mark) => mark.id === id)) continue;
      this.#waiting.delete(id);
      resolve();
    }
  }

  /** Returns why the service will never take it; throws if it may later. */
  async #post({ verb, which }: Mark): Promise<Error | void> {
    const answer = await this.#tokens.fetch(at(this.#base, `inbox/${verb}`), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(which),
      keepalive: true, // a page may mark and leave
    });
    const { status } = answer;
    if (status === 401 || status === 429 || status > 499) throw status;
    if (!answer.ok) return new Error(`${verb}: ${status}`);
  }

  #load(): Mark[] {
    try {
      if (this.#stored) this.#list = JSON.parse(localStorage.getItem(this.#key!) ?? "[]");
    } catch {
      this.#stored = false; // denied: they last as long as the page
    }
    return this.#list;
  }

  #edit(change: (list: Mark[]) => Mark[]): void {
    this.#list = change(this.#load());
    try {
      if (this.#stored) localStorage.setItem(this.#key!, JSON.stringify(this.#list));
    } catch {
      this.#stored = false; // full
    }
  }
}
