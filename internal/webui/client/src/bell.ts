import { isHidden, reportError, ifAvailable } from "./browser.js";
import { shareConnection, type SharedConnection, type Tab } from "./shared.js";
import { newMarks, type Verb, type Target } from "./marks.js";
import { newLoops } from "./loops.js";
import { Service } from "./service.js";
import type { CountsQuery, Events, Frame, InboxCounts, InboxFilter, InboxPage, InboxQuery, Notification, Options, Preferences, State, Status } from "./types.js";
import { updatePreferences } from "./update.js";

const MAX_DELIVERED = 1_000; // ids of notifications, kept to drop repeats
const MAX_IDS = 100; // in one request to the service
const MAX_CURSOR_LENGTH = 1_000; // a longer stored value is not a cursor
const REPLACED = 4409;
const LOGIN_REQUIRED = [4401, 4403]; // this tab's token was refused; other tabs may have a good one

/** A page's client: receives notifications, and marks them as seen, read, unread or archived. */
export interface Bell extends AsyncIterable<Notification> {
  readonly state: State;

  /** The number of unread notifications; undefined until the service has sent it. */
  readonly unreadCount: number | undefined;

  /** The number of notifications that the user has not seen on any device; undefined until the service has sent it. */
  readonly unseenCount: number | undefined;

  /** Returns the time of the service's clock in the format of Date.now(). The device's clock may be wrong. */
  now(): number;

  /** Calls handler for each event of this name; returns a function that removes the handler. The cursor is stored after the handler's promise has settled. */
  on<E extends keyof Events>(event: E, handler: (value: Events[E]) => unknown): () => void;

  /**
   * Yields each notification once and in order, until close(). A loop has handled
   * a notification when it asks for the next one. A loop that ends early has not
   * handled its last notification: a further loop in this page continues after it,
   * with at most the last 1,000, and the next page receives it again.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Notification, void, undefined>;

  /** Marks as seen, on every device: the notifications were on a screen. Resolves when the service has stored the mark; offline, that is after reconnecting. */
  seen(ids: string | string[]): Promise<void>;

  /** Marks as read in the same way. Reading implies seeing. */
  read(ids: string | string[]): Promise<void>;
  unread(ids: string | string[]): Promise<void>;
  archive(ids: string | string[]): Promise<void>;

  /** Marks all notifications received so far. */
  seenAll(): Promise<void>;
  readAll(): Promise<void>;
  archiveAll(): Promise<void>;

  /** Lists the inbox, newest first; without a state, everything that is not archived. */
  inbox(query?: InboxQuery): Promise<InboxPage>;

  /** Counts the unread and the unseen notifications that a filter selects, in total and by a property. */
  counts(query?: CountsQuery): Promise<InboxCounts>;

  /** Returns the user's preferences. With `change`, stores what it returns for them. If the service refuses, the error has its `status`. */
  preferences(change?: (preferences: Preferences) => Preferences): Promise<Preferences>;

  /** Connects again when the state is `closed`, for example after a new login. */
  open(): void;

  /** Closes permanently. Marks that were not delivered stay stored for the next page. */
  close(): void;
}

/**
 * Connects a page to bellhop and reconnects when the connection is lost:
 *
 *     const bell = connect({ url: "https://bell.example.com", token });
 *     for await (const notification of bell) show(notification);
 */
export function connect(options: Options): Bell {
  const base = new URL(options.url, globalThis.location?.href);
  base.protocol = base.protocol.replace("ws", "http");
  base.pathname = base.pathname.replace(/\/*$/, "/");

  const closer = new AbortController();
  const closed = closer.signal;
  const service = new Service(base, closed, (ask) => options.token(ask), onUser);
  const marks = newMarks(service);
  const loops = newLoops();
  const storage = ifAvailable(() => options.storage);
  const handlers = new Map<string, Set<(value: any) => unknown>>();
  const delivered = new Set<string>(); // ids of notifications
  let connection: SharedConnection | undefined;
  let status: Status = { state: "connecting" };
  let live = false;
  let counts: Partial<Omit<InboxCounts, "by">> = {};
  let listed: Notification[] = []; // by inbox(), so they are in its counts, even if the connection delivers them later
  let cursor = options.cursor; // of the last frame received
  let handled: Promise<unknown> = Promise.resolve(); // resolves when the page has handled every event up to now

  const tab: Tab = {
    cursor: () => cursor,
    setCursor: (at) => (cursor = at),
    live: () => (live ? { event: "live", cursor, data: counts } : undefined),
    onFrame: receive,
    onStatus: updateStatus,
  };

  /** Connects, after the wait of initial, if given. Tabs share connections by user, so until the user is known this tab connects alone. */
  function start(share: boolean, initial?: Status): void {
    connection?.close();
    connection = shareConnection(service, share, tab, initial);
    if (closed.aborted) connection.close(); // a handler closed the bell
  }

  /** Connects again once a token identifies the user, now sharing a connection with the user's other tabs. */
  function onUser(): void {
    if (!service.confirmed) cursor = options.cursor ?? loadCursor();
    marks.assign();
    start(options.share ?? true);
  }

  /** Handles an event of the page: reconnects or checks the connection, and delivers marks. */
  function wake(cause: string): void {
    const shown = cause === "visibilitychange";
    const input = cause.endsWith("down"); // pointerdown or keydown
    if (shown && isHidden()) return;
    if ((shown || input) && status.code === REPLACED) connection!.open();
    if (input) return;
    connection!.wake(cause === "offline");
    marks.deliver();
  }

  /** Handles a frame: calls the handlers, then stores the cursor. */
  function receive({ event, cursor: at, data }: Frame): void {
    if (closed.aborted) return;
    const done = update(event, data) && emit(event, data);
    if (!at) return;
    cursor = at;
    if (!loops.left) handled = handled.then(() => done).then(() => storeCursor(at));
  }

  /** Updates the client's state; returns false if the event is a repeat, which handlers do not receive. */
  function update(event: string, data: any): boolean {
    if (event === "welcome") {
      live = false;
      service.setTime(Date.parse(data.token_expires) - data.expires_in * 1000);
    }
    if (event === "reset") delivered.clear(); // the service sends all stored notifications again
    live ||= event === "live";
    if (event !== "notification") {
      for (const name of ["unread_count", "unseen_count"] as const) counts = { ...counts, [name]: data?.[name] ?? counts[name] };
      return true;
    }
    if (delivered.has(data.id)) return false;
    delivered.add(data.id);
    if (delivered.size > MAX_DELIVERED) delivered.delete(delivered.values().next().value!);
    // The service sends the counts at the end of the history, and after a notification that replaces another.
    const { unread_count: unread, unseen_count: unseen } = counts;
    const isCounted = data.ephemeral || data.read_at || data.archived_at || data.replaces || listed.some(({ id }) => id === data.id);
    if (live && unread !== undefined && !isCounted) counts = { unread_count: unread + 1, unseen_count: unseen === undefined ? unseen : unseen + (data.seen_at ? 0 : 1) };
    return true;
  }

  /** Resolves when all handlers are done. A handler that fails is done too. */
  function emit(event: string, data: unknown): Promise<unknown> {
    const handling = [...(handlers.get(event) ?? [])].map(async (handler) => handler(data));
    if (event === "notification") handling.push(loops.push(data as Notification));
    return Promise.all(handling.map((done) => done.catch(reportError)));
  }

  /** Handles a new status of the connection. If the token of this tab is refused, the tab leaves the shared connection. */
  function updateStatus(next: Status): void {
    if (next.state === "open" && !service.confirmed) {
      service.confirmed = true;
      marks.assign();
    }
    if (next.state === "closed" && LOGIN_REQUIRED.includes(next.code!) && !service.loggedOut) {
      service.loggedOut = true;
      start(false, next); // other tabs may be logged in as another user
    } else setStatus(next);
  }

  function setStatus(next: Status): void {
    const changed = next.state !== status.state;
    status = next;
    if (!changed) return; // a leader repeats its status for new followers
    if (next.state === "open") marks.deliver();
    emit("state", next);
  }

  const storageKey = () => `bellhop/1 ${base} ${service.user} cursor`;

  // Returns the cursor that the previous page stored. Other code may have written there.
  function loadCursor(): string | undefined {
    const at: unknown = service.user && ifAvailable(() => storage?.getItem(storageKey()));
    return typeof at === "string" && at.length < MAX_CURSOR_LENGTH ? at : undefined;
  }

  // If storing fails, the next page resumes from an older cursor.
  function storeCursor(at: string): void {
    if (service.user) ifAvailable(() => storage?.setItem(storageKey(), at));
  }

  async function mark(verb: Verb, idOrIds: string | string[]): Promise<void> {
    const ids = [idOrIds].flat();
    const parts = [];
    for (let i = 0; i < ids.length; i += MAX_IDS) parts.push(marks.add(verb, { ids: ids.slice(i, i + MAX_IDS) }));
    await Promise.all(parts);
  }

  async function get<T>(path: string, query: object): Promise<T> {
    const answer = await service.fetch(service.url(path, query), { cache: "no-store" });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return JSON.parse(answer.data);
  }

  // Marks through the cursor if there is one, since the mark may be delivered after further notifications, which the user does not know.
  const allReceived = (): Target => (cursor && cursor !== "earliest" ? { through: cursor } : { all: true });

  for (const name of ["online", "offline", "pointerdown", "keydown", "visibilitychange"]) {
    // Some browsers dispatch visibilitychange only on the document, which workers and Node do not have.
    for (const target of [globalThis, globalThis.document]) {
      target?.addEventListener?.(name, () => wake(name), { signal: closed });
    }
  }
  start(false);

  return {
    get state() {
      return status.state;
    },
    get unreadCount() {
      return counts.unread_count;
    },
    get unseenCount() {
      return counts.unseen_count;
    },
    now: () => service.time(),
    on(event, handler) {
      const registered = handlers.get(event) ?? new Set();
      handlers.set(event, registered.add(handler));
      return () => void registered.delete(handler);
    },
    [Symbol.asyncIterator]: () => loops.loop(),
    seen: (ids) => mark("seen", ids),
    read: (ids) => mark("read", ids),
    unread: (ids) => mark("unread", ids),
    archive: (ids) => mark("archive", ids),
    seenAll: () => marks.add("seen", allReceived()),
    readAll: () => marks.add("read", allReceived()),
    archiveAll: () => marks.add("archive", allReceived()),
    async inbox(query = {}) {
      const from = cursor;
      const page = await get<InboxPage>("inbox", query);
      // If notifications arrived during the request, these counts may or may not include them.
      if (!query.before && !query.state && !isFilter(query) && from === cursor) {
        counts = { unread_count: page.unread_count, unseen_count: page.unseen_count };
        listed = page.items;
      }
      return page;
    },
    counts: (query = {}) => get("inbox/counts", query),
    preferences: (change = (stored) => stored) => updatePreferences(service, change),
    open: () => connection!.open(),
    close() {
      if (closed.aborted) return;
      closer.abort();
      loops.close();
      connection!.close();
      setStatus({ state: "closed" });
    },
  };
}

/** Reports whether a filter selects less than everything. */
const isFilter = ({ type, topic, priority }: InboxFilter): boolean => [type, topic, priority].flat().some(Boolean);
