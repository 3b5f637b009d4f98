import type { Bell, InboxFilter, Notification, Verb } from "../index.js";
import { matches, type Tab } from "./filter.js";
import { List, retryDelay, send } from "./list.js";

const INTERVAL = 1_000; // ms, at least, between two requests of the same kind
const MAX_PAGE_SIZE = 100;

/**
 * The lists of the element: the whole inbox, and one for each tab. A list sends
 * requests only while it is visible. A mark shows in all lists immediately.
 */
export class Lists {
  /** The number of unread notifications of each tab, as the service counted them last. */
  counts: number[] = [];

  #bell: Bell;
  #onChange: () => void;
  #tabs: Tab[] = [];
  #lists: List[];
  #selected = 0; // 0 is the whole inbox, the others are tabs
  #visible = false;
  #marked = new Set<string>(); // ids that were marked as seen, so that a refused mark is not repeated
  #seenTimer: Timer; // pending: marks were sent a short time ago
  #countTimer: Timer;
  #counting = false;
  #outdated = false; // the counts
  #failures = 0; // consecutive, to count
  #closed = false;
  #unsubscribe: (() => void)[];

  /** Calls onChange after each change, and onArrival with each new notification, but not with missed ones. */
  constructor(bell: Bell, onChange: () => void, onArrival: (notification: Notification) => void) {
    this.#bell = bell;
    this.#onChange = onChange;
    this.#lists = [new List(bell, onChange, onArrival)];
    this.#unsubscribe = (["live", "notification", "inbox"] as const).map((event) => bell.on(event, () => this.#count()));
  }

  /** The selected list. */
  get list(): List {
    return this.#lists[this.#selected]!;
  }

  get selected(): number {
    return this.#selected;
  }

  /** Selects a tab; 0 is the whole inbox. */
  select(at: number): void {
    this.#selected = at;
    this.#show();
  }

  /** Sets the tabs. Lists of tabs that stay are kept, and so is the selection. */
  set tabs(tabs: Tab[]) {
    if (tabs === this.#tabs) return;
    const before = this.#lists;
    const selected = this.list;
    this.#tabs = tabs;
    this.counts = [];
    const open = ({ label, ...filter }: Tab) =>
      before.find((list) => JSON.stringify(list.filter) === JSON.stringify(filter)) ?? new List(this.#bell, this.#onChange, () => {}, filter);
    this.#lists = [before[0]!, ...tabs.map(open)];
    this.#selected = Math.max(0, this.#lists.indexOf(selected));
    for (const list of before) if (!this.#lists.includes(list)) list.close();
    this.#show();
  }

  /** The panel is open. */
  set visible(visible: boolean) {
    if (visible === this.#visible) return;
    this.#visible = visible;
    this.#show();
  }

  /** Marks these notifications; without ids, all of the selected list that have arrived. */
  async mark(verb: Verb, ids?: string[]): Promise<void> {
    if (!ids && this.#selected) return this.#markTab(verb);
    const stored = send(this.#bell, verb, ids);
    await Promise.all(this.#lists.map((list) => list.mark(verb, ids, stored)));
  }

  /**
   * Marks as seen what the selected tab shows, or everything if that is the whole inbox, at
   * most once per second. Must be called while it is on the screen.
   */
  markSeen(): void {
    if (this.#seenTimer) return;
    const ids = this.list.items.flatMap(({ id, seen_at, read_at }) => (seen_at || read_at || this.#marked.has(id) ? [] : [id]));
    if (!ids.length) return;
    for (const id of ids) this.#marked.add(id);
    this.#seenTimer = setTimeout(() => {
      this.#seenTimer = undefined;
      this.#onChange();
    }, INTERVAL);
    void this.mark("seen", this.#selected ? ids : undefined);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#seenTimer);
    clearTimeout(this.#countTimer);
    for (const off of this.#unsubscribe) off();
    for (const list of this.#lists) list.close();
  }

  #show(): void {
    for (const list of this.#lists) list.visible = false;
    if (!this.#visible) return;
    this.list.ensureLoaded();
    this.#count();
    this.#onChange();
  }

  /**
   * Marks the unread notifications of the selected tab, since the service has no mark
   * with a filter. Those that are not loaded are marked only while the service answers.
   */
  async #markTab(verb: Verb): Promise<void> {
    const { filter, items } = this.list;
    const markAll = (all: { id: string }[]) => all.length && void this.mark(verb, all.map(({ id }) => id));
    markAll(items);
    let before: string | undefined;
    try {
      do {
        const page = await this.#bell.inbox({ ...filter, state: "unread", limit: MAX_PAGE_SIZE, before });
        markAll(page.items);
        before = page.next;
      } while (before);
    } catch {
      // The user can repeat it.
    }
  }

  /** Counts the unread notifications of the tabs: now, or when the last request was long enough ago. */
  async #count(): Promise<void> {
    this.#outdated = true;
    if (this.#counting || this.#closed || !this.#visible || !this.#tabs.length || this.#bell.state !== "open") return;
    this.#counting = true;
    this.#outdated = false;
    const tabs = this.#tabs;
    let wait = INTERVAL;
    try {
      const counts = await this.#countTabs(tabs);
      this.#failures = 0;
      if (tabs === this.#tabs) this.counts = counts;
      this.#onChange();
    } catch {
      this.#outdated = true;
      wait = retryDelay(this.#failures++);
    }
    if (this.#closed) return;
    this.#countTimer = setTimeout(() => {
      this.#counting = false;
      if (this.#outdated) this.#count();
    }, wait);
  }

  /** Counts tabs that select by type with one request, and each other tab with its own. */
  async #countTabs(tabs: Tab[]): Promise<number[]> {
    const isByType = ({ topic, priority }: InboxFilter) => !topic && !priority;
    const byType = tabs.some(isByType) ? this.#bell.counts({ by: "type" }) : undefined;
    const count = async ({ label, ...filter }: Tab) => {
      if (!isByType(filter)) return (await this.#bell.counts(filter)).unread_count;
      let sum = 0;
      for (const [type, { unread }] of Object.entries((await byType)!.by!)) if (matches(filter, { type, priority: "normal" })) sum += unread;
      return sum;
    };
    return Promise.all(tabs.map(count));
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined;
