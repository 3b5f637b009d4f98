import type { Bell, InboxChange, InboxItem, InboxQuery, Notification, Verb } from "../index.js";

const PAGE = 20;
const FIRST_WAIT = 500; // ms, as those of the client
const LONGEST_WAIT = 30_000;
const LONGEST_PAGE = 100;
const LONGEST_TIMER = 2 ** 31 - 1; // beyond which browsers fire at once

type Change = (list: List) => void;

/**
 * The newest part of an inbox, as the service has it: listed once it is wanted,
 * and from then on kept up to date by what the Bell hears. What the user marks
 * shows at once, even if the service hears of it later.
 */
export class List {
  /** The newest first. */
  items: InboxItem[] = [];
  /** There are older ones, for more(). */
  next: string | undefined;
  /** The first page is here, though it may be of before a break. */
  loaded = false;
  loading = false;
  failed = false;

  #bell: Bell;
  #changed: () => void;
  #wanted = false;
  #fresh = false; // nothing was missed since the first page came
  #live = false;
  #meanwhile: Change[] | undefined; // what was heard while a page was on its way
  #pending = new Set<Change>(); // marks that the service does not have yet
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined; // of the first page
  #failures = 0; // in a row
  #over = false;
  #offs: (() => void)[];

  /** Calls changed when something is not as it was, and arrived with what came just now and not from the past. */
  constructor(bell: Bell, changed: () => void, arrived: (notification: Notification) => void) {
    this.#bell = bell;
    this.#changed = changed;
    this.#live = bell.state === "open" && bell.unreadCount !== undefined;
    this.#offs = [
      bell.on("welcome", ({ resumed }) => {
        this.#live = false;
        if (!resumed) this.#break();
      }),
      bell.on("reset", () => this.#break()),
      bell.on("live", () => {
        this.#live = true;
        this.failed = false;
        if (this.#wanted) this.want();
        this.#apply(); // a sleep may have let some expire
      }),
      bell.on("notification", (notification) => {
        this.#hear(notification);
        if (this.#live) arrived(notification);
      }),
      bell.on("inbox", (change) => this.#note(change)),
      bell.on("state", changed),
    ];
  }

  /** Somebody looks: it is listed, once the past is over. */
  want(): void {
    this.#wanted = true;
    if (this.#live && !this.#fresh && !this.failed) this.load();
  }

  /** Lists anew what is shown, as far as one page goes. */
  async load(): Promise<void> {
    await this.#page({ limit: Math.min(Math.max(this.items.length, PAGE), LONGEST_PAGE) }, (items) => {
      this.items = items;
      this.loaded = this.#fresh = true;
    });
  }

  /** Adds the next page; or gets the first, if that failed. */
  async more(): Promise<void> {
    if (!this.#fresh) return this.load();
    const ids = this.items.map(({ id }) => id);
    await this.#page({ limit: PAGE, before: this.next }, (items) => (this.items = this.items.concat(items.filter(({ id }) => !ids.includes(id)))));
  }

  /** Marks these, or all that has come. */
  async mark(verb: Verb, ids?: string[]): Promise<void> {
    const all = ids ?? this.items.map(({ id }) => id);
    const change = effects[verb](all, this.#bell.now());
    this.#pending.add(change);
    this.#apply(change);
    const marked = ids ? this.#bell[verb](ids) : verb === "archive" ? this.#bell.archiveAll() : this.#bell.readAll();
    const refused = await marked.then(() => false, () => true);
    this.#pending.delete(change);
    if (!refused) return;
    this.#fresh = false; // what is shown is not so
    await this.load();
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#expiry);
    clearTimeout(this.#retry);
    this.#offs.forEach((off) => off());
  }

  #break(): void {
    this.#meanwhile = undefined;
    this.#fresh = this.#live = false;
  }

  #hear(notification: Notification): void {
    const { id, replaces, ephemeral, archived_at } = notification;
    this.#apply((list) => {
      list.items = list.items.filter((item) => item.id !== replaces && item.id !== id);
      if (!ephemeral && !archived_at && list.#fresh) list.items.unshift(notification as InboxItem);
    });
  }

  #note({ read = [], unread = [], archived = [], recalled = [], unread_count = Infinity }: InboxChange): void {
    const now = this.#bell.now();
    this.#apply(effects.read(read, now), effects.unread(unread, now), effects.archive([...archived, ...recalled], now));
    const back = unread.some((id) => !this.items.some((item) => item.id === id)); // from the archive, it may be
    const gone = this.items.filter(({ read_at }) => !read_at).length > unread_count; // there was no more room for some
    if (!this.#fresh || !(back || gone)) return;
    this.#fresh = false;
    this.want();
  }

  async #page(query: InboxQuery, take: (items: InboxItem[]) => unknown): Promise<void> {
    if (this.loading || this.#over) return;
    const meanwhile: Change[] = (this.#meanwhile = []);
    clearTimeout(this.#retry);
    this.loading = true;
    this.failed = false;
    this.#changed();
    try {
      const { items, next } = await this.#bell.inbox(query);
      take(items);
      this.next = next;
      for (const change of [...meanwhile, ...this.#pending]) change(this);
      if (!this.#meanwhile) this.#fresh = false; // the page may be of before the break
      this.#failures = 0;
    } catch {
      this.failed = true;
      this.#tryAgain();
    }
    this.#meanwhile = undefined;
    this.loading = false;
    this.#apply();
    if (this.#wanted) this.want();
  }

  // The connection may be well all the time, and bring no occasion to ask again.
  #tryAgain(): void {
    if (this.#over) return;
    this.#retry = setTimeout(() => {
      if (this.#live && !this.#fresh) this.load();
    }, Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures++)); // full jitter
  }

  #apply(...changes: Change[]): void {
    if (this.#over) return;
    for (const change of changes) change(this);
    this.#meanwhile?.push(...changes);
    this.#watchExpiry();
    this.#changed();
  }

  // By the service's time. That they count no more, the service says.
  #watchExpiry(): void {
    clearTimeout(this.#expiry);
    const ends = this.items.flatMap(({ expires_at }) => (expires_at ? [Date.parse(expires_at)] : []));
    if (ends.length === 0) return;
    const wait = Math.max(0, Math.min(...ends) - this.#bell.now());
    this.#expiry = setTimeout(() => {
      const now = this.#bell.now();
      const expired = this.items.filter(({ expires_at }) => Date.parse(expires_at!) <= now);
      this.#apply(effects.archive(expired.map(({ id }) => id), now));
    }, Math.min(wait, LONGEST_TIMER));
  }
}

/** What a mark does to the list. */
const effects: Record<Verb, (ids: string[], now: number) => Change> = {
  read: (ids, now) => each(ids, (item) => ({ ...item, read_at: item.read_at ?? new Date(now).toISOString() })),
  unread: (ids) => each(ids, ({ read_at, ...item }) => item),
  archive: (ids) => (list) => void (list.items = list.items.filter(({ id }) => !ids.includes(id))),
};

function each(ids: string[], change: (item: InboxItem) => InboxItem): Change {
  return (list) => void (list.items = list.items.map((item) => (ids.includes(item.id) ? change(item) : item)));
}
