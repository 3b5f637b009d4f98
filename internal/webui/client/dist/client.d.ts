//#region src/types.d.ts
/** What a user is told. */
interface Notification {
  id: string;
  type: string;
  title?: string;
  body?: string;
  data?: Record<string, unknown>;
  priority: "low" | "normal" | "high";
  /** When it was published, as are all times: `2026-12-01T09:00:00.000Z`. */
  time: string;
  audience: "user" | "topic" | "all";
  topic?: string;
  expires_at?: string;
  collapse_key?: string;
  /** The id of the notification whose place this one takes. */
  replaces?: string;
  /** It was for open connections only and is not in the inbox. */
  ephemeral?: boolean;
  read_at?: string;
  archived_at?: string;
}
/** What changed in the inbox, on whichever device. */
interface InboxChange {
  read?: string[];
  unread?: string[];
  archived?: string[];
  recalled?: string[];
  unread_count?: number;
}
/** Which part of the inbox to list. */
interface InboxQuery {
  /** At most so many: 1 to 100, else 50. */
  limit?: number;
  /** The `next` of the page before. */
  before?: string | undefined;
  state?: "unread" | "read" | "archived" | "all";
}
interface InboxItem extends Notification {
  /** Where it stands: `through` of a mark, or where to resume. */
  cursor: string;
}
interface InboxPage {
  /** The newest first. */
  items: InboxItem[];
  unread_count: number;
  /** Connecting with it misses nothing that is not in the list. */
  cursor: string;
  /** Absent at the end. */
  next?: string;
}
/** The first that a connection says. */
interface Welcome {
  connection: string;
  user: string;
  /** The cursor was honoured. */
  resumed: boolean;
  /** Seconds between signs of life. */
  ping: number;
  token_expires?: string;
  /** Seconds for which the token is still good. */
  expires_in?: number;
  /** Names and patterns of the topics that the connection hears. */
  topics?: string[];
  /** How many topics the token names besides those in force. */
  topics_ignored?: number;
}
/** Why a connection ended: a close code of the contract, or the HTTP status of its refusal. */
interface Close {
  code: number;
  reason: string;
  /** The client comes back by itself. */
  reconnect: boolean;
  /** Seconds to stay away at most (after 1012) or at least. */
  after: number;
}
/**
 * - `connecting`: a connection is being opened
 * - `open`: it is open, and what was missed comes or has come
 * - `waiting`: it was lost; the next attempt is in `wait` milliseconds
 * - `offline`: the same, and the browser says that it has no network: waits are longer, at most a minute
 * - `closed`: it will not come back by itself: `close()` was called, or the service said so
 */
type State = "connecting" | "open" | "waiting" | "offline" | "closed";
interface Status {
  state: State;
  /** Milliseconds until the next attempt, when waiting. */
  wait?: number;
  /** Why it is closed or waits: `no-token` if nobody is logged in, `token-failed` if token() failed. */
  code?: number;
  reason?: string;
  /** Why token() failed: what it threw, that what it returned is no JWT, or that it took too long. */
  error?: Error | undefined;
}
/** What `on` can listen to. */
interface Events {
  /** A notification, each once and in order. */
  notification: Notification;
  /** The inbox changed. */
  inbox: InboxChange;
  /** The past is over; what comes now is new. */
  live: {
    unread_count?: number;
  };
  /** The cursor could not be honoured: forget the list; what is still kept follows. */
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
  /** Where the service is, its base path included: `https://bell.example.com`. */
  url: string | URL;
  /**
   * Returns a JWT of the user; null or undefined if nobody is logged in: then
   * the client stays away until `open()`. It is called again, with `fresh`, when
   * the last token was refused or ends soon. If it throws, returns anything
   * else, or takes longer than 30 s, it is called again later: see `Status.error`.
   */
  token(ask: {
    fresh: boolean;
  }): string | null | undefined | Promise<string | null | undefined>;
  /** Where to resume, such as the cursor of the inbox. `earliest`: all that is kept. None: from now. */
  cursor?: string;
  /**
   * Keeps the cursor from one page to the next, such as `localStorage`. Where
   * reading `localStorage` itself may fail, as where cookies are blocked, give a
   * getter: `get storage() { return localStorage; }`.
   */
  storage?: Pick<Storage, "getItem" | "setItem"> | undefined;
  /** False: this tab has a connection of its own. */
  share?: boolean;
}
/** What travels on a connection, both ways. */
interface Frame {
  event: string;
  cursor?: string;
  ref?: string;
  data?: any;
}
//#endregion
//#region src/bell.d.ts
/** What a page holds: it hears, and marks what was read. */
interface Bell extends AsyncIterable<Notification> {
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
declare function connect(options: Options): Bell;
//#endregion
//#region src/marks.d.ts
/** What a mark does, as the paths below /inbox name it. */
type Verb = "read" | "unread" | "archive";
//#endregion
export { type Bell, Close, Events, Frame, InboxChange, InboxItem, InboxPage, InboxQuery, Notification, Options, State, Status, type Verb, Welcome, connect };