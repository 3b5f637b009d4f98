import type { Bell, InboxChange, InboxFilter, InboxItem, InboxQuery, Notification, Verb } from "../index.js";
import { matches } from "./filter.js";

const PAGE_SIZE = 20;
const FIRST_WAIT = 500; // ms; both as in the client
const MAX_WAIT = 30_000;
const MAX_PAGE_SIZE = 100;
const MAX_TIMER = 2 ** 31 - 1; // ms; with a longer delay, a timer would fire immediately

type Change = (list: List) => void;

/**
 * The newest part of the user's inbox, or of what a filter selects of it. It is loaded from the service when first needed,
 * then updated by the events of a Bell. Marks of the user show immediately, before the
 * service has stored them.
 */
export class List {
  /** Newest first. */
  items: InboxItem[] = [];
  /** The `before` of the next page; undefined if there are no older items. */
  next: string | undefined;
  /** The first page has been loaded, though events may have been missed since. */
  loaded = false;
  loading = false;
  failed = false;
  /** Only a visible list sends requests. */
  visible = false;
  readonly filter: InboxFilter | undefined;

  #bell: Bell;
  #onChange: () => void;
  #current = false; // no event has been missed since the first page was loaded
  #live = false;
  #duringLoad: Change[] | undefined; // changes that arrived while a page was loading
  #pending = new Set<Change>(); // marks that the service has not stored yet
  #uncertain = false; // a page was loaded while marks were pending, so it may have them, and later marks of other devices
  #expiryTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined; // to load the first page again
  #failures = 0; // consecutive
  #closed = false;
  #unsubscribe: (() => void)[];

  /** Calls onChange after each change of the list, and onArrival with each new notification, but not with missed ones. */
  constructor(bell: Bell, onChange: () => void, onArrival: (notification: Notification) => void, filter?: InboxFilter) {
    this.#bell = bell;
    this.filter = filter;
    this.#onChange = onChange;
    this.#live = bell.state === "open" && bell.unreadCount !== undefined;
    this.#unsubscribe = [
      bell.on("welcome", ({ resumed }) => {
        this.#live = false;
        if (!resumed) this.#invalidate();
      }),
      bell.on("reset", () => this.#invalidate()),
      bell.on("live", () => {
        this.#live = true;
        this.failed = false;
        this.#apply(); // items may have expired while the device was suspended
      }),
      bell.on("notification", (notification) => {
        this.#add(notification);
        if (this.#live) onArrival(notification);
      }),
      bell.on("inbox", (change) => this.#update(change)),
      bell.on("state", onChange),
    ];
  }

  /** Marks the list as visible: loads the first page when the connection is live, and fills it from the next one when items were removed. */
  ensureLoaded(): void {
    this.visible = true;
    if (this.#isShort && !this.failed && !this.loading) this.more();
  }

  get #isShort(): boolean {
    return this.#live && (!this.#current || (!!this.next && this.items.length < PAGE_SIZE));
  }

  /** Loads the items again, up to the largest page. */
  async load(): Promise<void> {
    await this.#loadPage({ limit: Math.min(Math.max(this.items.length, PAGE_SIZE), MAX_PAGE_SIZE) }, (items) => {
      this.items = items;
      this.loaded = this.#current = true;
    });
  }

  /** Loads the next page, or the first if that failed. */
  async more(): Promise<void> {
    if (!this.#current) return this.load();
    const ids = this.items.map(({ id }) => id);
    await this.#loadPage({ limit: PAGE_SIZE, before: this.next }, (items) => (this.items = this.items.concat(items.filter(({ id }) => !ids.includes(id)))));
  }

  /** Marks these notifications, or without ids all that have arrived. stored resolves when the service has stored the mark. */
  async mark(verb: Verb, ids?: string[], stored = send(this.#bell, verb, ids)): Promise<void> {
    const all = ids ?? this.items.map(({ id }) => id);
    const change = effects[verb](all, this.#bell.now());
    this.#pending.add(change);
    this.#apply(change);
    const refused = await stored.then(() => false, () => true);
    this.#pending.delete(change);
    const reload = this.#uncertain && !this.#pending.size;
    if (reload) this.#uncertain = false;
    if (!refused && !reload) return;
    this.#current = false; // the list shows a mark that the service refused, or has replaced
    if (this.visible) await this.load();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#expiryTimer);
    clearTimeout(this.#retryTimer);
    this.#unsubscribe.forEach((off) => off());
  }

  #invalidate(): void {
    this.#duringLoad = undefined;
    this.#current = this.#live = false;
  }

  #add(notification: Notification): void {
    const { id, replaces, ephemeral, archived_at } = notification;
    const isStored = !ephemeral && !archived_at;
    const selected = matches(this.filter ?? {}, notification);
    this.#apply((list) => {
      if (isStored && selected === undefined) list.#current = false; // only the service knows
      list.items = list.items.filter((item) => item.id !== replaces && item.id !== id);
      if (isStored && selected && list.#current) list.items.unshift(notification as InboxItem);
    });
  }

  #update({ seen = [], read = [], unread = [], archived = [], recalled = [], unread_count = Infinity }: InboxChange): void {
    const now = this.#bell.now();
    this.#apply(effects.seen(seen, now), effects.read(read, now), effects.unread(unread, now), effects.archive([...archived, ...recalled], now), (list) => {
      const unarchived = unread.some((id) => !list.items.some((item) => item.id === id)); // probably restored from the archive
      const evicted = list.items.filter(({ read_at }) => !read_at).length > unread_count; // the inbox is full and dropped old items
      if (unarchived || evicted) list.#current = false;
    });
  }

  async #loadPage(query: InboxQuery, use: (items: InboxItem[]) => unknown): Promise<void> {
    if (this.loading || this.#closed) return;
    const duringLoad: Change[] = (this.#duringLoad = []);
    clearTimeout(this.#retryTimer);
    this.loading = true;
    this.failed = false;
    this.#onChange();
    try {
      const { items, next } = await this.#bell.inbox({ ...query, ...this.filter });
      use(items);
      this.next = next === query.before ? undefined : next; // the list must end even if the service repeats a page
      for (const change of [...duringLoad, ...this.#pending]) change(this);
      this.#uncertain = this.#pending.size > 0;
      if (!this.#duringLoad) this.#current = false; // the page may be older than the lost connection
      this.#failures = 0;
    } catch {
      this.failed = true;
      this.#scheduleRetry();
    }
    this.#duringLoad = undefined;
    this.loading = false;
    this.#apply();
  }

  // Retries by a timer, since an open connection may have no event that would cause it.
  #scheduleRetry(): void {
    if (this.#closed) return;
    this.#retryTimer = setTimeout(() => {
      if (this.visible && this.#isShort) this.more();
    }, retryDelay(this.#failures++));
  }

  #apply(...changes: Change[]): void {
    if (this.#closed) return;
    for (const change of changes) change(this);
    this.#duringLoad?.push(...changes);
    this.#watchExpiry();
    this.#onChange();
    if (this.visible) this.ensureLoaded();
  }

  // Removes items that expire, by the service's time. The service sends the new unread count.
  #watchExpiry(): void {
    clearTimeout(this.#expiryTimer);
    const first = Math.min(...this.items.map(({ expires_at }) => Date.parse(expires_at!) || Infinity));
    if (first === Infinity) return;
    const wait = Math.max(0, first - this.#bell.now());
    this.#expiryTimer = setTimeout(() => {
      const now = this.#bell.now();
      const expired = this.items.filter(({ expires_at }) => Date.parse(expires_at!) <= now);
      this.#apply(effects.archive(expired.map(({ id }) => id), now));
    }, Math.min(wait, MAX_TIMER));
  }
}

/** Returns the milliseconds to wait after this number of failures, with full jitter. */
export const retryDelay = (failures: number): number => Math.random() * Math.min(MAX_WAIT, FIRST_WAIT * 2 ** failures);

/** Sends a mark to the service. Without ids it applies to all that have arrived. */
export function send(bell: Bell, verb: Verb, ids: string[] | undefined): Promise<void> {
  return ids ? bell[verb](ids) : bell[`${verb as Exclude<Verb, "unread">}All`]();
}

/** The effect of each mark on the list. */
const effects: Record<Verb, (ids: string[], now: number) => Change> = {
  seen: (ids, now) => each(ids, ({ seen_at = new Date(now).toISOString(), ...item }) => ({ ...item, seen_at })),
  read: (ids, now) => each(ids, ({ read_at = new Date(now).toISOString(), seen_at = read_at, ...item }) => ({ ...item, read_at, seen_at })),
  unread: (ids) => each(ids, ({ read_at, ...item }) => item),
  archive: (ids) => (list) => void (list.items = list.items.filter(({ id }) => !ids.includes(id))),
};

function each(ids: string[], change: (item: InboxItem) => InboxItem): Change {
  return (list) => void (list.items = list.items.map((item) => (ids.includes(item.id) ? change(item) : item)));
}
