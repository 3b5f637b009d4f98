// What a page sees. Names are those of the contract, on the wire as here.

/** What a user is told. */
export interface Notification {
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
export interface InboxChange {
  read?: string[];
  unread?: string[];
  archived?: string[];
  recalled?: string[];
  unread_count?: number;
}

/** Which part of the inbox to list. */
export interface InboxQuery {
  /** At most so many: 1 to 100, else 50. */
  limit?: number;
  /** The `next` of the page before. */
  before?: string | undefined;
  state?: "unread" | "read" | "archived" | "all";
}

export interface InboxItem extends Notification {
  /** Where it stands: `through` of a mark, or where to resume. */
  cursor: string;
}

export interface InboxPage {
  /** The newest first. */
  items: InboxItem[];
  unread_count: number;
  /** Connecting with it misses nothing that is not in the list. */
  cursor: string;
  /** Absent at the end. */
  next?: string;
}

/** The first that a connection says. */
export interface Welcome {
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
export interface Close {
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
export type State = "connecting" | "open" | "waiting" | "offline" | "closed";

export interface Status {
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
export interface Events {
  /** A notification, each once and in order. */
  notification: Notification;
  /** The inbox changed. */
  inbox: InboxChange;
  /** The past is over; what comes now is new. */
  live: { unread_count?: number };
  /** The cursor could not be honoured: forget the list; what is still kept follows. */
  reset: { reason: string };
  welcome: Welcome;
  /** A connection ended. */
  close: Close;
  /** `state` changed. */
  state: Status;
}

export interface Options {
  /** Where the service is, its base path included: `https://bell.example.com`. */
  url: string | URL;

  /**
   * Returns a JWT of the user; null or undefined if nobody is logged in: then
   * the client stays away until `open()`. It is called again, with `fresh`, when
   * the last token was refused or ends soon. If it throws, returns anything
   * else, or takes longer than 30 s, it is called again later: see `Status.error`.
   */
  token(ask: { fresh: boolean }): string | null | undefined | Promise<string | null | undefined>;

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
export interface Frame {
  event: string;
  cursor?: string;
  ref?: string;
  // What it is depends on the event, and v1 may add to it.
  data?: any;
}
