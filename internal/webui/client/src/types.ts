// The public types. Field names are those of asyncapi.yaml and openapi.yaml.

/** A notification, as its user receives it. */
export interface Notification {
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
export interface Action {
  title: string;
  url: string;
}

/** A change of the inbox, made on any device. */
export interface InboxChange {
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
export interface InboxFilter {
  /** A type, or a pattern such as `comment.*`. */
  type?: string | string[] | undefined;
  /** A topic through which the user receives them, or a pattern such as `project.*`. */
  topic?: string | string[] | undefined;
  priority?: Notification["priority"] | Notification["priority"][] | undefined;
}

/** The part of the inbox to list. */
export interface InboxQuery extends InboxFilter {
  /** Maximum number of items, 1 to 100; 50 by default. */
  limit?: number;
  /** The `next` of the previous page. */
  before?: string | undefined;
  state?: "unread" | "read" | "archived" | "all";
}

export interface InboxItem extends Notification {
  /** Its position in the inbox: for `through` of a mark, or to resume after it. */
  cursor: string;
}

export interface InboxPage {
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
export interface CountsQuery extends InboxFilter {
  /** Counts each type, topic or priority as well. */
  by?: "type" | "topic" | "priority" | undefined;
}

export interface InboxCounts {
  unread_count: number;
  unseen_count: number;
  /** By type, topic or priority. Values without unread notifications are absent. */
  by?: Record<string, { unread: number; unseen: number }>;
}

/** Which notifications a user receives, and when pushes wait. */
export interface Preferences {
  /** At most 100. The first that matches a notification applies; without one, the level is `alert`. */
  rules: PreferenceRule[];
  quiet?: QuietHours | undefined;
}

export interface PreferenceRule {
  /** A type, or a pattern such as `comment.*`; absent for all types. */
  type?: string | undefined;
  /** A topic, or a pattern such as `project.*`; absent for all topics, and for none. */
  topic?: string | undefined;
  level: Level;
}

/** `off`: as if it had not been published to the user; `silent`: in the inbox, but never pushed; `alert`: as usual. */
export type Level = "off" | "silent" | "alert";

/** The part of every day in which pushes wait, except those of high priority. */
export interface QuietHours {
  /** A time such as `22:00`. */
  from: string;
  to: string;
  /** A name of the IANA time zone database, such as `Europe/Berlin`. */
  zone: string;
}

/** The first frame of a connection. */
export interface Welcome {
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
export interface Close {
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
export type State = "connecting" | "open" | "waiting" | "offline" | "closed";

export interface Status {
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
export interface Events {
  /** A notification arrived. Each arrives once and in order. */
  notification: Notification;
  /** The inbox changed. */
  inbox: InboxChange;
  /** All missed notifications have arrived; later ones are new. */
  live: { unread_count?: number; unseen_count?: number };
  /** The service cannot resume from the cursor. Discard the list: all stored notifications follow. */
  reset: { reason: string };
  welcome: Welcome;
  /** A connection ended. */
  close: Close;
  /** `state` changed. */
  state: Status;
}

export interface Options {
  /** Address of the service, including its base path: `https://bell.example.com`. */
  url: string | URL;

  /**
   * Returns a JWT of the user. null or undefined means that no user is logged in:
   * then the client does not connect until `open()`. The client calls it again, with
   * `fresh`, when the last token was refused or expires soon. If it throws, returns
   * anything else, or takes longer than 30 s, the client calls it again later; see
   * `Status.error`.
   */
  token(ask: { fresh: boolean }): string | null | undefined | Promise<string | null | undefined>;

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
export interface Frame {
  event: string;
  cursor?: string;
  ref?: string;
  // The type depends on the event, and the service may add fields within version 1.
  data?: any;
}
