import { isHidden, report, tried } from "./browser.js";
import { openLine, type Line, type Tab } from "./line.js";
import { keepMarks, type Verb, type Which } from "./marks.js";
import { newReading } from "./reading.js";
import { Service } from "./service.js";
import type { Events, Frame, InboxPage, InboxQuery, Notification, Options, State, Status } from "./types.js";

const REMEMBERED = 1_000; // ids, for dropping repeats
const MOST_IDS = 100; // in one mark
const LONGEST_CURSOR = 1_000; // what is stored and longer is none of ours
const REPLACED = 4409;
const LOGINS = [4401, 4403]; // only a new login helps, and only this tab

/** What a page holds: it hears, and marks what was read. */
export interface Bell extends AsyncIterable<Notification> {
  readonly state: State;

  /** How many are unread; undefined until the service has said it. */
  readonly unreadCount: number | undefined;

  /** Returns the time at the service as Date.now() would, whatever the device's clock says. */
  now(): number;

  /** Calls handler at every such event, until what it returns is called. What handler returns is awaited before the cursor is stored. */
  on<E extends keyof Events>(event: E, handler: (value: Events[E]) => unknown): () => void;

  /**
   * Yields each notification once and in order, until close(). One is handled
   * when the next is asked for. A loop that is left has not handled its last:
   * a further loop begins after it, with the last thousand at most, but the next
   * page hears from it on again.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Notification, void, undefined>;

  /** Marks as read, on every device. Resolves once the service has it, which offline is later. */
  read(ids: string | string[]): Promise<void>;
  unread(ids: string | string[]): Promise<void>;
  archive(ids: string | string[]): Promise<void>;

  /** Marks all that has come so far. */
  readAll(): Promise<void>;
  archiveAll(): Promise<void>;

  /** Lists the inbox, the newest first; without a state, all that is not archived. */
  inbox(query?: InboxQuery): Promise<InboxPage>;

  /** Comes back after the service said not to, such as after a new login. */
  open(): void;

  /** Ends for good. Marks that wait stay for the next page. */
  close(): void;
}

/**
 * Connects a page to bellhop, and stays connected:
 *
 *     const bell = connect({ url: "https://bell.example.com", token });
 *     for await (const notification of bell) show(notification);
 */
export function connect(options: Options): Bell {
  const base = new URL(options.url, globalThis.location?.href);
  base.protocol = base.protocol.replace("ws", "http");
  base.pathname = base.pathname.replace(/\/*$/, "/");

  const ended = new AbortController();
  const over = ended.signal;
  const service = new Service(base, over, (ask) => options.token(ask), arrive);
  const marks = keepMarks(service);
  const reading = newReading();
  const storage = tried(() => options.storage);
  const handlers = new Map<string, Set<(value: any) => unknown>>();
  const seen = new Set<string>(); // ids
  let line: Line | undefined;
  let status: Status = { state: "connecting" };
  let live = false;
  let unread: number | undefined;
  let counted: Notification[] = []; // in the unread count already, though they may yet come
  let cursor = options.cursor; // of the last frame that came
  let handled: Promise<unknown> = Promise.resolve(); // by the page, in order

  const tab: Tab = {
    cursor: () => cursor,
    stand: (at) => (cursor = at),
    live: () => (live ? { event: "live", cursor, data: { unread_count: unread } } : undefined),
    hear,
    tell: hearStatus,
  };

  /** Connects, alone until it is known who the user is; after a rest, if there is one. */
  function begin(share: boolean, rest?: Status): void {
    line?.close();
    line = openLine(service, share, tab, rest);
    if (over.aborted) line.close(); // a handler closed the bell meanwhile
  }

  /** There is a token: the user is known, and with whose other tabs to share a connection. */
  function arrive(): void {
    if (!service.confirmed) cursor = options.cursor ?? stored();
    marks.keep();
    begin(options.share ?? true);
  }

  function wake(why: string): void {
    const looks = why === "visibilitychange";
    const acts = why.endsWith("down"); // a pointer or a key
    if (looks && isHidden()) return;
    if ((looks || acts) && status.code === REPLACED) line!.open();
    if (acts) return;
    line!.wake(why === "offline");
    marks.deliver();
  }

  function hear({ event, cursor: at, data }: Frame): void {
    if (over.aborted) return;
    const done = note(event, data) && emit(event, data);
    if (!at) return;
    cursor = at;
    if (!reading.left) handled = handled.then(() => done).then(() => store(at));
  }

  /** Keeps what is known up to date, and says whether the page is to hear of it. */
  function note(event: string, data: any): boolean {
    if (event === "welcome") {
      live = false;
      service.learnTime(Date.parse(data.token_expires) - data.expires_in * 1000);
    }
    if (event === "reset") seen.clear(); // all that is kept comes again
    live ||= event === "live";
    if (event !== "notification") {
      unread = data?.unread_count ?? unread;
      return true;
    }
    if (seen.has(data.id)) return false;
    seen.add(data.id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value!);
    // The count of the past comes at its end, and after what replaces another.
    const isCounted = data.ephemeral || data.read_at || data.archived_at || data.replaces || counted.some(({ id }) => id === data.id);
    if (live && unread !== undefined && !isCounted) unread++;
    return true;
  }

  /** Resolves once all have handled it; a handler that fails has, in its way. */
  function emit(event: string, data: unknown): Promise<unknown> {
    const handling = [...(handlers.get(event) ?? [])].map(async (handler) => handler(data));
    if (event === "notification") handling.push(reading.give(data as Notification));
    return Promise.all(handling.map((done) => done.catch(report)));
  }

  function hearStatus(next: Status): void {
    if (next.state === "open" && !service.confirmed) {
      service.confirmed = true;
      marks.keep();
    }
    if (next.state === "closed" && LOGINS.includes(next.code!) && !service.away) {
      service.away = true;
      begin(false, next); // another tab may have another login
    } else tell(next);
  }

  function tell(next: Status): void {
    const changed = next.state !== status.state;
    status = next;
    if (!changed) return; // a leader says it again when it is asked
    if (next.state === "open") marks.deliver();
    emit("state", next);
  }

  const key = () => `bellhop/1 ${base} ${service.user} cursor`;

  // Where the page before stopped; what is stored there may not be ours.
  function stored(): string | undefined {
    const at: unknown = service.user && tried(() => storage?.getItem(key()));
    return typeof at === "string" && at.length < LONGEST_CURSOR ? at : undefined;
  }

  // Refused or full: the next page begins earlier.
  function store(at: string): void {
    if (service.user) tried(() => storage?.setItem(key(), at));
  }

  async function mark(verb: Verb, some: string | string[]): Promise<void> {
    const ids = [some].flat();
    const parts = [];
    for (let i = 0; i < ids.length; i += MOST_IDS) parts.push(marks.add(verb, { ids: ids.slice(i, i + MOST_IDS) }));
    await Promise.all(parts);
  }

  // Not simply all: when this is delivered, there may be more than the user has seen.
  const all = (): Which => (cursor && cursor !== "earliest" ? { through: cursor } : { all: true });

  for (const name of ["online", "offline", "pointerdown", "keydown", "visibilitychange"]) {
    // Some browsers say the last to the document alone; a worker has none, and Node neither.
    for (const target of [globalThis, globalThis.document]) {
      target?.addEventListener?.(name, () => wake(name), { signal: over });
    }
  }
  begin(false);

  return {
    get state() {
      return status.state;
    },
    get unreadCount() {
      return unread;
    },
    now: () => service.time(),
    on(event, handler) {
      const some = handlers.get(event) ?? new Set();
      handlers.set(event, some.add(handler));
      return () => void some.delete(handler);
    },
    [Symbol.asyncIterator]: () => reading.loop(),
    read: (ids) => mark("read", ids),
    unread: (ids) => mark("unread", ids),
    archive: (ids) => mark("archive", ids),
    readAll: () => marks.add("read", all()),
    archiveAll: () => marks.add("archive", all()),
    async inbox(query = {}) {
      const from = cursor;
      const answer = await service.fetch(service.at("inbox", query), { cache: "no-store" });
      if (!answer.ok) throw new Error(`inbox: ${answer.status}`);
      const page: InboxPage = JSON.parse(answer.said);
      // Notifications that arrived meanwhile may or may not be in this count.
      if (!query.before && from === cursor) {
        unread = page.unread_count;
        counted = page.items;
      }
      return page;
    },
    open: () => line!.open(),
    close() {
      if (over.aborted) return;
      ended.abort();
      reading.close();
      line!.close();
      tell({ state: "closed" });
    },
  };
}
