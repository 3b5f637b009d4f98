import { Line } from "./line.js";
import { Marks, type Verb, type Which } from "./marks.js";
import { backoff } from "./closing.js";
import { online, Pause } from "./pause.js";
import { at, NoToken, Tokens } from "./tokens.js";
import type { Events, Frame, InboxPage, InboxQuery, Notification, Options, State, Status } from "./types.js";

const REMEMBERED = 1_000; // ids, for dropping repeats
const MOST_IDS = 100; // in one mark
const REPLACED = 4409;

type Handler = (value: any) => unknown;

/** What a page holds: it hears, and marks what was read. */
export class Bell implements AsyncIterable<Notification> {
  #base: URL;
  #tokens: Tokens;
  #marks: Marks;
  #line: Line | undefined;
  #start = new Pause();
  #status: Status = { state: "connecting" };
  #handlers = new Map<string, Set<Handler>>();
  #seen = new Set<string>();
  #live = false;
  #unread: number | undefined;
  #counted: Notification[] = []; // in the unread count already, though they may yet come
  #cursor: string | undefined; // of the last frame that came
  #handled = Promise.resolve(); // by the page, in order
  #over = new AbortController();

  constructor(options: Options) {
    const base = (this.#base = new URL(options.url, globalThis.location?.href));
    base.protocol = base.protocol.replace("ws", "http");
    base.pathname = base.pathname.replace(/\/*$/, "/");
    this.#tokens = new Tokens((ask) => options.token(ask));
    this.#marks = new Marks(base, this.#tokens);
    this.#cursor = options.cursor;
    const on = (target: EventTarget | undefined, ...names: string[]) =>
      names.forEach((name) => target?.addEventListener?.(name, () => this.#wake(name), { signal: this.#over.signal }));
    on(globalThis, "online", "offline", "pointerdown", "keydown");
    on(globalThis.document, "visibilitychange");
    this.#begin(options);
  }

  get state(): State {
    return this.#status.state;
  }

  /** How many are unread; undefined until the service has said it. */
  get unreadCount(): number | undefined {
    return this.#unread;
  }

  /** Calls handler at every such event, until what it returns is called. What handler returns is awaited before the cursor is stored. */
  on<E extends keyof Events>(event: E, handler: (value: Events[E]) => unknown): () => void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  /** Yields each notification once and in order, until close(). One is handled when the next is asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Notification, void, undefined> {
    const queue: { notification: Notification; done(): void }[] = [];
    const pause = new Pause();
    const offs = [
      this.on("notification", (notification) => {
        pause.end();
        return new Promise<void>((done) => queue.push({ notification, done }));
      }),
      this.on("state", () => pause.end()),
    ];
    try {
      while (!this.#over.signal.aborted) {
        const next = queue[0];
        if (!next) await pause.wait();
        else {
          yield next.notification;
          queue.shift();
          next.done();
        }
      }
    } finally {
      offs.forEach((off) => off());
      queue.forEach(({ done }) => done());
    }
  }

  /** Marks as read, on every device. Resolves once the service has it, which offline is later. */
  read(ids: string | string[]): Promise<void> {
    return this.#mark("read", ids);
  }

  unread(ids: string | string[]): Promise<void> {
    return this.#mark("unread", ids);
  }

  archive(ids: string | string[]): Promise<void> {
    return this.#mark("archive", ids);
  }

  /** Lists the inbox, the newest first; without a state, all that is not archived. */
  async inbox(query: InboxQuery = {}): Promise<InboxPage> {
    const from = this.#cursor;
    const answer = await this.#tokens.fetch(at(this.#base, "inbox", query), { cache: "no-store" });
    if (!answer.ok) throw new Error(`inbox: ${answer.status}`);
    const page: InboxPage = await answer.json();
    // What was heard meanwhile may or may not be in this count.
    if (!query.before && from === this.#cursor) {
      this.#unread = page.unread_count;
      this.#counted = page.items;
    }
    return page;
  }

  /** Marks all that has come so far. */
  readAll(): Promise<void> {
    return this.#marks.add("read", this.#all());
  }

  archiveAll(): Promise<void> {
    return this.#marks.add("archive", this.#all());
  }

  /** Comes back after the service said not to, such as after a new login. */
  open(): void {
    if (this.#line) this.#line.open();
    else this.#start.end();
  }

  /** Ends for good. Marks that wait stay for the next page. */
  close(): void {
    this.#over.abort();
    this.#marks.close();
    this.#start.end();
    this.#line?.close();
    this.#tell({ state: "closed" });
  }

  /** Finds out who the user is, with whose other tabs a connection is shared. */
  async #begin({ storage, share = true }: Options): Promise<void> {
    for (let failures = 0; ; failures++) {
      let left;
      try {
        await this.#tokens.get();
        break;
      } catch (error) {
        left = error instanceof NoToken;
      }
      if (this.#over.signal.aborted) return;
      const wait = online() && !left ? backoff(failures) : undefined;
      const over = this.#start.wait(wait);
      this.#tell({ state: left ? "closed" : wait === undefined ? "offline" : "waiting", wait, reason: "no-token" });
      await over;
    }
    if (this.#over.signal.aborted) return;
    const { user = "" } = this.#tokens;
    const key = `bellhop/1 ${this.#base} ${user} cursor`;
    this.#cursor ??= storage?.getItem(key) ?? undefined;
    this.#marks.keep(user);
    this.#line = new Line(this.#base, this.#tokens, share, {
      cursor: () => this.#cursor,
      stand: (cursor) => (this.#cursor = cursor),
      live: () => (this.#live ? { event: "live", cursor: this.#cursor, data: { unread_count: this.#unread } } : undefined),
      hear: (frame) => this.#hear(frame, (cursor) => storage?.setItem(key, cursor)),
      tell: (status) => this.#tell(status),
    });
  }

  #wake(why: string): void {
    if (document.visibilityState === "hidden" && why === "visibilitychange") return;
    if (why === "pointerdown" || why === "keydown" || why === "visibilitychange") {
      if (this.#status.code === REPLACED) this.open(); // the user acts
      if (why !== "visibilitychange") return;
    }
    if (this.state !== "closed") this.#start.end();
    this.#line?.wake();
    this.#marks.deliver();
  }

  #hear({ event, cursor, data }: Frame, store: (cursor: string) => void): void {
    if (this.#over.signal.aborted) return;
    const handled = this.#note(event, data) ? this.#emit(event, data) : undefined;
    if (!cursor) return;
    this.#cursor = cursor;
    this.#handled = this.#handled.then(() => handled).then(() => {
      try {
        store(cursor);
      } catch {
        // Denied or full: the next page begins earlier.
      }
    });
  }

  /** Keeps what is known up to date, and says whether the page is to hear of it. */
  #note(event: string, data: any): boolean {
    if (event === "welcome") this.#live = false;
    if (event === "reset") this.#seen.clear(); // what is kept is told again
    if (event === "live") this.#live = true;
    if (event === "live" || event === "inbox") this.#unread = data.unread_count ?? this.#unread;
    if (event !== "notification") return true;
    if (this.#seen.has(data.id)) return false;
    this.#seen.add(data.id);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value!);
    // The count of the past is told at its end, and after what replaces another.
    const counted = data.ephemeral || data.read_at || data.archived_at || data.replaces || this.#counted.some(({ id }) => id === data.id);
    if (this.#live && this.#unread !== undefined && !counted) this.#unread++;
    return true;
  }

  /** Resolves once all have handled it; a handler that fails has, in its way. */
  #emit(event: string, data: unknown): Promise<unknown> {
    const handlers = [...(this.#handlers.get(event) ?? [])];
    return Promise.all(
      handlers.map(async (handler) => {
        try {
          await handler(data);
        } catch (error) {
          reportError(error);
        }
      }),
    );
  }

  #tell(status: Status): void {
    this.#status = status;
    if (status.state === "open") this.#marks.deliver();
    this.#emit("state", status);
  }

  async #mark(verb: Verb, ids: string | string[]): Promise<void> {
    const all = [ids].flat();
    const marks = [];
    for (let i = 0; i < all.length; i += MOST_IDS) marks.push(this.#marks.add(verb, { ids: all.slice(i, i + MOST_IDS) }));
    await Promise.all(marks);
  }

  // Not simply all: when this is delivered, there may be more than the user has seen.
  #all(): Which {
    return this.#cursor && this.#cursor !== "earliest" ? { through: this.#cursor } : { all: true };
  }
}
