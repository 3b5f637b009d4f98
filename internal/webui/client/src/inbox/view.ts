import type { Action, Bell, InboxItem, Notification, Verb } from "../index.js";
import { button, screenReaderText, icon, createElement, setAttribute, setText } from "./dom.js";
import type { Tab } from "./filter.js";
import type { Lists } from "./lists.js";
import { Row, type Select } from "./row.js";
import css from "./style.js";
import { badge, format, type Labels } from "./labels.js";
import { TabList } from "./tabs.js";

const MINUTE = 60_000;

/** Callbacks for the user's actions. */
export interface Actions {
  /** The user selected an item, or one of its actions. Returns false if the page called preventDefault(). */
  select(item: InboxItem, action?: Action): boolean;
  mark(verb: Verb, ids?: string[]): void;
  more(): void;
  /** The user selected a tab; 0 is the whole inbox. */
  selectTab(at: number): void;
  toggle(open: boolean): void;
  /** The displayed times are out of date. */
  redraw(): void;
}

/** The shadow tree of the element: displays Lists, and calls Actions for what the user does. */
export class View {
  #host: HTMLElement;
  #root: ShadowRoot;
  #actions: Actions;
  #rows = new Map<string, Row>(); // by id, in the order of the list
  #current: string | undefined; // the id of the row that Tab reaches
  #clock: ReturnType<typeof setInterval> | undefined;
  #onScreen = false;

  #bellName = screenReaderText();
  #badge = createElement("span", { part: "badge", "aria-hidden": "true" });
  #count = screenReaderText();
  #bell = button("bell", () => {}, createElement("slot", { name: "icon" }, icon("M6 10a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4S6 15 6 10ZM10 20a2.2 2.2 0 0 0 4 0")), this.#bellName);
  #title = createElement("h2", { part: "title", id: "title" });
  #readAll = button("read-all", () => {
    this.#panel.focus(); // the button will be hidden
    this.#actions.mark("read");
  });
  #note = createElement("p", { part: "note" });
  #ul = createElement("ul", { part: "list", role: "list" });
  #more = button("more", () => this.#actions.more());
  #tabs: TabList;
  #content = createElement("div", { part: "content", id: "content" }, this.#note, this.#ul, this.#more);
  #panel = createElement("div", { part: "panel", tabindex: "-1", "aria-labelledby": "title" });
  #status = createElement("div", { role: "status", class: "sr-only" });

  constructor(host: HTMLElement, actions: Actions) {
    this.#host = host;
    this.#actions = actions;
    const sheet = new CSSStyleSheet(); // allowed by a Content-Security-Policy without inline styles
    sheet.replaceSync(css);
    this.#root = host.attachShadow({ mode: "open" });
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.append(this.#bell, this.#panel, this.#status);
    this.#tabs = new TabList(actions.selectTab);
    this.#panel.append(createElement("div", { part: "header" }, this.#title, this.#readAll), this.#tabs.element, this.#content);
    new IntersectionObserver((changes) => {
      this.#onScreen = changes.at(-1)!.isIntersecting;
      actions.redraw();
    }).observe(this.#panel);
    this.#bell.ariaHasPopup = "dialog";
    this.#panel.addEventListener("toggle", (event) => this.#toggled(event.newState === "open"));
    this.#panel.addEventListener("beforetoggle", ({ newState }) => {
      if (newState === "closed" && this.#panel.contains(this.#root.activeElement)) this.#bell.focus();
    });
    this.#panel.addEventListener("keydown", (event) => this.#key(event));
    this.#ul.addEventListener("focusin", () => {
      this.#current = this.#focused();
      actions.redraw();
    });
  }

  get open(): boolean {
    return this.#inline || this.#panel.matches(":popover-open");
  }

  /** The list is on the user's screen. */
  get shown(): boolean {
    return this.open && this.#onScreen && !document.hidden;
  }

  show(): void {
    if (!this.open) this.#panel.showPopover({ source: this.#bell });
  }

  hide(): void {
    if (this.open && !this.#inline) this.#panel.hidePopover();
  }

  /** Applies the attribute `inline`. */
  applyLayout(): void {
    const inline = this.#inline;
    this.#panel.popover = inline ? null : "auto";
    this.#panel.role = inline ? "region" : "dialog";
    this.#bell.popoverTargetElement = inline ? null : this.#panel;
    this.#bell.hidden = inline;
    if (inline) this.#title.after(this.#badge, this.#count);
    else this.#bell.append(this.#badge, this.#count);
    this.updateClock();
  }

  /** Updates all elements that have changed. */
  draw(bell: Bell | undefined, lists: Lists | undefined, tabs: Tab[], labels: Labels): void {
    const { state, unreadCount: unread = 0, unseenCount: unseen = 0 } = bell ?? {};
    const offline = state === "offline" || state === "waiting";
    const { items = [], loaded, loading, failed, next } = lists?.list ?? {};
    const count = this.#inline ? unread : unseen; // an inline list is always open, so that everything is seen
    const canRead = lists?.selected ? items.some(({ read_at }) => !read_at) || lists.counts[lists.selected - 1] : unread;
    const text = (name: keyof Labels, when: unknown, of = unread) => (when ? format(labels[name], of) : "");
    setText(this.#bellName, `${text("title", 1)} `);
    setText(this.#title, text("title", 1));
    setText(this.#badge, count ? badge(count) : "");
    setText(this.#count, text(this.#inline ? "unread" : "unseen", count, count));
    setText(this.#readAll, text("readAll", canRead));
    setText(this.#note, text(failed ? "failed" : offline ? "offline" : loaded ? "empty" : "loading", failed || offline || !items.length));
    setText(this.#more, text(failed ? "retry" : loading ? "loading" : "more", failed || next));
    this.#drawTabs(lists, tabs, unread, labels);
    this.#drawRows(items, labels, bell?.now() ?? 0);
    if (this.#root.activeElement?.matches("[hidden]")) this.#focus(); // the focused button was hidden
  }

  /** Animates the bell for a new notification, and announces it to screen readers. */
  ring({ title, type }: Notification, labels: Labels): void {
    this.#status.textContent = format(labels.arrived, title || type);
    this.#bell.classList.remove("ringing");
    void this.#bell.offsetWidth; // a reflow, which restarts the animation
    this.#bell.classList.add("ringing");
  }

  #drawTabs(lists: Lists | undefined, tabs: Tab[], unread: number, labels: Labels): void {
    const texts = tabs.map(({ label }, at) => ({ label, count: lists?.counts[at] ?? 0 }));
    if (tabs.length) texts.unshift({ label: format(labels.all), count: unread });
    const selected = this.#tabs.draw(texts, lists?.selected ?? 0, labels.unread);
    for (const [name, value] of [["role", "tabpanel"], ["aria-labelledby", selected]] as const) {
      if (tabs.length) setAttribute(this.#content, name, value);
      else this.#content.removeAttribute(name);
    }
  }

  get #inline(): boolean {
    return this.#host.hasAttribute("inline");
  }

  get #lang(): string | undefined {
    try {
      return Intl.getCanonicalLocales(this.#host.closest<HTMLElement>("[lang]")?.lang)[0];
    } catch {
      return undefined; // not a valid language tag
    }
  }

  // Does not move the elements of items that stay, since moving an element removes its focus.
  #drawRows(items: InboxItem[], labels: Labels, now: number): void {
    const focused = this.#focused();
    const at = [...this.#rows.keys()].indexOf(this.#current!);
    const old = this.#rows;
    this.#rows = new Map(items.map((item) => [item.id, old.get(item.id) ?? new Row(item, this.#select, this.#actions.mark)]));
    for (const [id, { element }] of old) if (!this.#rows.has(id)) element.remove();
    if (!this.#rows.has(this.#current!)) this.#current = (items[Math.min(at, items.length - 1)] ?? items[0])?.id;
    let next = this.#ul.firstChild;
    for (const item of items) {
      const row = this.#rows.get(item.id)!;
      row.draw(item, labels, this.#lang, now, item.id === this.#current);
      if (row.element === next) next = next.nextSibling;
      else this.#ul.insertBefore(row.element, next);
    }
    if (focused && !this.#rows.has(focused)) this.#focus();
  }

  /** The id of the row that has the focus. */
  #focused(): string | undefined {
    return this.#root.activeElement?.closest("li")?.dataset.id;
  }

  #focus(): void {
    (this.#rows.get(this.#current!)?.main ?? this.#panel).focus();
  }

  #toggled(open: boolean): void {
    this.updateClock();
    if (open) this.#focus();
    this.#actions.toggle(open);
  }

  /** Redraws every minute while the list is visible, to keep its times correct. Must be called when the visibility changes. */
  updateClock(): void {
    this.#bell.ariaExpanded = `${this.open}`;
    clearInterval(this.#clock);
    if (this.open && this.#host.isConnected) this.#clock = setInterval(() => this.#actions.redraw(), MINUTE);
  }

  #key(event: KeyboardEvent): void {
    const rows = [...this.#rows.values()];
    const at = [...this.#rows.keys()].indexOf(this.#focused()!);
    const row = rows[{ ArrowDown: at + 1, ArrowUp: Math.max(at - 1, 0), Home: 0, End: rows.length - 1 }[event.key] ?? -1];
    if (!row) return;
    event.preventDefault(); // no scrolling
    row.main.focus();
  }

  // A click for a new tab or window concerns this page only in that it marks the item as read.
  #select: Select = (event, item, href, action) => {
    const { button, ctrlKey, metaKey, shiftKey, altKey } = event;
    if (button > (href ? 1 : 0)) return; // opens a context menu or does nothing
    const elsewhere = href && (button || ctrlKey || metaKey || shiftKey || altKey);
    if (!elsewhere && !this.#actions.select(item, action)) event.preventDefault();
    if (!item.read_at) this.#actions.mark("read", [item.id]);
    if (href && !elsewhere) this.hide();
  };
}
