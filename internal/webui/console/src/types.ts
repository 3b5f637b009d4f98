// The data of the event stream, and the answers of the API that the page shows.

/** The numbers of one second. Rates are of that second, all else is the state at its end. Unknown ones are absent. */
export type Sample = {
  time: number; // milliseconds since 1970
  ready: boolean;
  reason?: string;
  connections?: Counts; // by transport
  connections_limit?: number;
  opened?: number;
  publishes?: Counts; // by outcome
  deliveries?: number;
  closes?: Counts; // by code and reason
  refusals?: Counts; // by reason
  publish_ms?: Percentiles;
  delivery_ms?: Percentiles;
  commit?: { groups?: number; entries?: number; p50_ms?: number; p99_ms?: number };
  sync_ms?: Percentiles;
  queued_bytes?: number;
  queued_bytes_limit?: number;
  store?: { notification_bytes?: number; removal_bytes?: number; other_bytes?: number; limit_bytes?: number; disk_bytes?: number };
  disk?: { free_bytes?: number; size_bytes?: number; reserve_bytes?: number };
  process?: { rss_bytes?: number; heap_bytes?: number; goroutines?: number; open_files?: number; cpu_percent?: number };
  sequence?: number;
  lag_seconds?: number; // in a cluster
  nodes?: Node[]; // in a cluster
};

export type Counts = Record<string, number>;
export type Percentiles = { p50?: number; p95?: number; p99?: number };

export type Node = {
  name: string;
  version?: string;
  ready?: boolean;
  reason?: string;
  sequence?: number;
  lag_seconds?: number;
  connections?: number; // nodes of earlier versions do not say
  cut_off?: string; // of this node: the reason why it does not reach the others, although it may be ready
  silent_since?: number; // of a node that may be running: this one is cut off and hears no others
  gone?: number; // of one that is lost or has stopped: when it was last heard
  this?: boolean;
};

export type Hello = {
  node?: string;
  version?: string;
  revision?: string;
  started?: string;
  local?: boolean;
  principal?: string;
  may?: string[];
};

/** A line of the log about an action or a refusal. */
export type Line = {
  time: string;
  level?: string;
  message?: string;
  action?: string;
  outcome?: string;
  principal?: string;
  user?: string; // a hash, in place of the principal
  issuer?: string;
  target?: string;
  problem?: string;
  reason?: string;
  request?: string;
  address?: string; // of the caller
  repeated?: number; // the number of equal lines that this one stands for
};

export type Connection = { connection: string; transport: string; node: string; since: string; address?: string };
export type Connections = { connections: Connection[]; incomplete?: string[] };

export type Rule = { type?: string; topic?: string; level: string };
export type Preferences = { rules: Rule[]; quiet?: { from: string; to: string; zone: string } };

export type Notification = {
  id: string;
  type?: string;
  title?: string;
  body?: string;
  data?: unknown;
  url?: string;
  actions?: { title: string; url: string }[];
  priority?: string;
  time: string;
  audience: string;
  topic?: string;
  expires_at?: string;
  collapse_key?: string;
  replaces?: string;
  silent?: boolean;
  seen_at?: string;
  read_at?: string;
  archived_at?: string;
};

export type InboxPage = { items: Notification[]; unread_count: number; unseen_count: number; next?: string };

/** The end of a notification, for all users or for one. */
export type Fate = { state: string; reason?: string; removed_at?: string; replaced_by?: string };

/** A notification that has left the inbox of a user. Without title and priority, only its ID, type, time, audience and topic are left. */
export type Removed = Fate & { notification: Notification; seen_at?: string; read_at?: string; archived_at?: string };
export type RemovedPage = { items: Removed[]; next?: string; searched_to?: string };

export type UserTrace = Fate & {
  user: string;
  rule?: Rule & { number: number };
  member_of?: string[];
  delivered_at?: string;
  seen_at?: string;
  read_at?: string;
  archived_at?: string;
  connections?: number;
  connected_since?: string;
};

export type Trace = Fate & {
  notification: Notification;
  published_by?: string;
  topics?: string[];
  recipients?: number;
  deliver_at?: string;
  users: UserTrace[];
  incomplete?: string[];
};
