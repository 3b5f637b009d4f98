import type { InboxItem, Notification, Verb } from "../index.js";
import { button, hush, icon, make, write } from "./dom.js";
import type { List } from "./list.js";
import { Row } from "./row.js";
import css from "./style.js";
import { badge, say, type Labels } from "./words.js";

const MINUTE = 60_000;

/** What the user does. */
export interface Actions {
  /** Returns false if the page does itself what choosing does. */
  select(item: InboxItem): boolean;
  mark(verb: Verb, ids?: string[]): void;
  more(): void;
  toggle(open: boolean): void;
  /** Time has passed. */
  redraw(): void;
}

/** The element's shadow: draws a List, and says what the user does. */
export class View {
  #host: HTMLElement;
  #root: ShadowRoot;
  #actions: Actions;
  #rows = new Map<string, Row>(); // by id, in the order of the list
  #current: string | undefined; // the id of the row that Tab reaches
  #clock: ReturnType<typeof setInterval> | undefined;

  #name = hush();
  #badge = make("span", { part: "badge", "aria-hidden": "true" });
  #count = hush();
  #bell = button("bell", () => {}, make("slot", { name: "icon" }, icon("M6 10a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4S6 15 6 10ZM10 20a2.2 2.2 0 0 0 4 0")), this.#name);
  #title = make("h2", { part: "title", id: "title" });
  #readAll = button("read-all", () => {
    this.#panel.focus(); // the button goes
    this.#actions.mark("read");
  });
  #note = make("p", { part: "note" });
  #ul = make("ul", { part: "list", role: "list" });
  #more = button("more", () => this.#actions.more());
  #panel = make("div", { part: "panel", tabindex: "-1", "aria-labelledby": "title" });
  #status = make("div", { role: "status", class: "hush" });

  constructor(host: HTMLElement, actions: Actions) {
    this.#host = host;
    this.#actions = actions;
    const sheet = new CSSStyleSheet(); // which a policy against inline styles allows
    sheet.replaceSync(css);
    this.#root = host.attachShadow({ mode: "open" });
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.append(this.#bell, this.#panel, this.#status);
    this.#panel.append(make("div", { part: "header" }, this.#title, this.#readAll), this.#note, this.#ul, this.#more);
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

  show(): void {
    if (!this.open) this.#panel.showPopover({ source: this.#bell });
  }

  hide(): void {
    if (this.open && !this.#inline) this.#panel.hidePopover();
  }

  /** Takes the shape that the attributes ask for. */
  shape(): void {
    const inline = this.#inline;
    this.#panel.popover = inline ? null : "auto";
    this.#panel.role = inline ? "region" : "dialog";
    this.#bell.popoverTargetElement = inline ? null : this.#panel;
    this.#bell.hidden = inline;
    if (inline) this.#title.after(this.#badge, this.#count);
    else this.#bell.append(this.#badge, this.#count);
    this.tick();
  }

  /** Draws what is not so already, at a time of the service's. */
  draw(list: List | undefined, count: number, offline: boolean, labels: Labels, now = Date.now()): void {
    const { items = [], loaded, loading, failed, next } = list ?? {};
    const words = (name: keyof Labels, when: unknown) => (when ? say(labels[name], count) : "");
    write(this.#name, `${words("title", 1)} `);
    write(this.#title, words("title", 1));
    write(this.#badge, count ? badge(count) : "");
    write(this.#count, words("unread", count));
    write(this.#readAll, words("readAll", count));
    write(this.#note, words(failed ? "failed" : offline ? "offline" : loaded ? "empty" : "loading", failed || offline || !items.length));
    write(this.#more, words(failed ? "retry" : loading ? "loading" : "more", failed || next));
    this.#drawRows(items, labels, now);
    if (this.#root.activeElement?.matches("[hidden]")) this.#focus(); // it has nothing more to do
  }

  /** Something new came: moves the bell, and says so to screen readers. */
  ring({ title, type }: Notification, labels: Labels): void {
    this.#status.textContent = say(labels.arrived, title || type);
    this.#bell.classList.remove("rings");
    void this.#bell.offsetWidth; // lest the animation not begin anew
    this.#bell.classList.add("rings");
  }

  get #inline(): boolean {
    return this.#host.hasAttribute("inline");
  }

  get #lang(): string | undefined {
    try {
      return Intl.getCanonicalLocales(this.#host.closest<HTMLElement>("[lang]")?.lang)[0];
    } catch {
      return undefined; // not one of theirs
    }
  }

  // What stays is not moved: it may have the focus.
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
    this.tick();
    if (open) this.#focus();
    this.#actions.toggle(open);
  }

  /** Lets the times go on while they are shown, which is to be called when that changes. */
  tick(): void {
    this.#bell.ariaExpanded = `${this.open}`;
    clearInterval(this.#clock);
    if (this.open && this.#host.isConnected) this.#clock = setInterval(() => this.#actions.redraw(), MINUTE);
  }

  #key(event: KeyboardEvent): void {
    const rows = [...this.#rows.values()];
    const at = [...this.#rows.keys()].indexOf(this.#focused()!);
    const row = rows[{ ArrowDown: at + 1, ArrowUp: Math.max(at - 1, 0), Home: 0, End: rows.length - 1 }[event.key] ?? -1];
    if (!row) return;
    event.preventDefault(); // the page is not to scroll
    row.main.focus();
  }

  #select = (event: Event, item: InboxItem, href?: string): void => {
    if (!this.#actions.select(item)) event.preventDefault();
    if (!item.read_at) this.#actions.mark("read", [item.id]);
    if (href) this.hide();
  };
}
