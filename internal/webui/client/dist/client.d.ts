//#region src/types.d.ts
/** A notification, as its user receives it. */
interface Notification {
  id: string;
  type: string;
  title?: string;
  body?: string;
  data?: Record<string, unknown>;
  /** The target of a click: an http or https URL, or a path of the page's own site. */
  url?: string;
  /** One to three further targets. */
  actions?: Action[];
  priority: "low" | "normal" | "high";
  /** Time of publication. All times have this format: `2026-12-01T09:00:00.000Z`. */
  time: string;
  audience: "user" | "topic" | "all";
  topic?: string;
  expires_at?: string;
  collapse_key?: string;
  /** The id of the notification that this one replaces. */
  replaces?: string;
  /** Sent to open connections only; not in the inbox. */
  ephemeral?: boolean;
  /** Never pushed to devices without a connection. */
  silent?: boolean;
  /** The time at which it was first on a screen of the user. Reading and archiving imply it. */
  seen_at?: string;
  read_at?: string;
  archived_at?: string;
}
/** A target of a notification, to show as a link. */
interface Action {
  title: string;
  url: string;
}
/** A change of the inbox, made on any device. */
interface InboxChange {
  seen?: string[];
  /** Seen as well, like those in `archived`. */
  read?: string[];
  unread?: string[];
  archived?: string[];
  recalled?: string[];
  unread_count?: number;
  unseen_count?: number;
}
/** Selects notifications. The values of a list are alternatives; different members must all match. */
interface InboxFilter {
  /** A type, or a pattern such as `comment.*`. */
  type?: string | string[] | undefined;
  /** A topic through which the user receives them, or a pattern such as `project.*`. */
  topic?: string | string[] | undefined;
  priority?: Notification["priority"] | Notification["priority"][] | undefined;
}
/** The part of the inbox to list. */
interface InboxQuery extends InboxFilter {
  /** Maximum number of items, 1 to 100; 50 by default. */
  limit?: number;
  /** The `next` of the previous page. */
  before?: string | undefined;
  state?: "unread" | "read" | "archived" | "all";
}
interface InboxItem extends Notification {
  /** Its position in the inbox: for `through` of a mark, or to resume after it. */
  cursor: string;
}
interface InboxPage {
  /** Newest first. */
  items: InboxItem[];
  /** The counts are those of the filter; without one, of the whole inbox. */
  unread_count: number;
  unseen_count: number;
  /** A connection with this cursor receives everything published after this list was made. */
  cursor: string;
  /** `before` of the next page; absent on the last page. */
  next?: string;
}
/** The notifications to count. */
interface CountsQuery extends InboxFilter {
  /** Counts each type, topic or priority as well. */
  by?: "type" | "topic" | "priority" | undefined;
}
interface InboxCounts {
  unread_count: number;
  unseen_count: number;
  /** By type, topic or priority. Values without unread notifications are absent. */
  by?: Record<string, {
    unread: number;
    unseen: number;
  }>;
}
/** Which notifications a user receives, and when pushes wait. */
interface Preferences {
  /** At most 100. The first that matches a notification applies; without one, the level is `alert`. */
  rules: PreferenceRule[];
  quiet?: QuietHours | undefined;
}
interface PreferenceRule {
  /** A type, or a pattern such as `comment.*`; absent for all types. */
  type?: string | undefined;
  /** A topic, or a pattern such as `project.*`; absent for all topics, and for none. */
  topic?: string | undefined;
  level: Level;
}
/** `off`: as if it had not been published to the user; `silent`: in the inbox, but never pushed; `alert`: as usual. */
type Level = "off" | "silent" | "alert";
/** The part of every day in which pushes wait, except those of high priority. */
interface QuietHours {
  /** A time such as `22:00`. */
  from: string;
  to: string;
  /** A name of the IANA time zone database, such as `Europe/Berlin`. */
  zone: string;
}
/** The first frame of a connection. */
interface Welcome {
  connection: string;
  user: string;
  /** The connection resumes from the cursor of its request. */
  resumed: boolean;
  /** Seconds between pings. */
  ping: number;
  token_expires?: string;
  /** Seconds until the token expires. */
  expires_in?: number;
  /** Names and patterns of the topics that the connection receives. */
  topics?: string[];
  /** Number of topics in the token that are not in effect. */
  topics_ignored?: number;
}
/** The reason for the end of a connection: a close code, or the HTTP status of its refusal. */
interface Close {
  code: number;
  reason: string;
  /** The client reconnects by itself. */
  reconnect: boolean;
  /** Seconds to wait before reconnecting: the maximum after code 1012, otherwise the minimum. */
  after: number;
}
/**
 * - `connecting`: a connection is being opened
 * - `open`: it is open; missed notifications arrive first
 * - `waiting`: it was lost; the next attempt is in `wait` milliseconds
 * - `offline`: as `waiting`, and the browser reports that it has no network: waits are longer, at most a minute
 * - `closed`: the client does not reconnect by itself, after `close()` or a close code of the service
 */
type State = "connecting" | "open" | "waiting" | "offline" | "closed";
interface Status {
  state: State;
  /** Milliseconds until the next attempt, when waiting. */
  wait?: number;
  /** The code of the close, when closed or waiting. */
  code?: number;
  /** The reason of the close: `no-token` if no user is logged in, `token-failed` if token() failed, or the service's. */
  reason?: string;
  /** The reason for `token-failed`: the error that token() threw, a result that is not a JWT, or a timeout. */
  error?: Error | undefined;
}
/** The events for `on`, with the values that handlers receive. */
interface Events {
  /** A notification arrived. Each arrives once and in order. */
  notification: Notification;
  /** The inbox changed. */
  inbox: InboxChange;
  /** All missed notifications have arrived; later ones are new. */
  live: {
    unread_count?: number;
    unseen_count?: number;
  };
  /** The service cannot resume from the cursor. Discard the list: all stored notifications follow. */
  reset: {
    reason: string;
  };
  welcome: Welcome;
  /** A connection ended. */
  close: Close;
  /** `state` changed. */
  state: Status;
}
interface Options {
  /** Address of the service, including its base path: `https://bell.example.com`. */
  url: string | URL;
  /**
   * Returns a JWT of the user. null or undefined means that no user is logged in:
   * then the client does not connect until `open()`. The client calls it again, with
   * `fresh`, when the last token was refused or expires soon. If it throws, returns
   * anything else, or takes longer than 30 s, the client calls it again later; see
   * `Status.error`.
   */
  token(ask: {
    fresh: boolean;
  }): string | null | undefined | Promise<string | null | undefined>;
  /** The position to resume from, such as the cursor of the inbox. `earliest` begins with the oldest stored notification. Without it, only new notifications arrive. */
  cursor?: string;
  /**
   * Stores the cursor for the next page, such as `localStorage`. If reading
   * `localStorage` may throw, as with blocked cookies, use a getter:
   * `get storage() { return localStorage; }`.
   */
  storage?: Pick<Storage, "getItem" | "setItem"> | undefined;
  /** false gives this tab its own connection. By default, all tabs share one. */
  share?: boolean;
}
/** A message on a connection, in either direction. */
interface Frame {
  event: string;
  cursor?: string;
  ref?: string;
  data?: any;
}
//#endregion
//#region src/bell.d.ts
/** A page's client: receives notifications, and marks them as seen, read, unread or archived. */
interface Bell extends AsyncIterable<Notification> {
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
declare function connect(options: Options): Bell;
//#endregion
//#region src/marks.d.ts
/** The action of a mark, named as in the paths below /inbox. */
type Verb = "seen" | "read" | "unread" | "archive";
//#endregion
export { Action, type Bell, Close, CountsQuery, Events, Frame, InboxChange, InboxCounts, InboxFilter, InboxItem, InboxPage, InboxQuery, Level, Notification, Options, PreferenceRule, Preferences, QuietHours, State, Status, type Verb, Welcome, connect };