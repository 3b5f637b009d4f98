import type { InboxItem, Verb } from "../index.js";
import { button, screenReaderText, icon, createElement, setAttribute, span, setText } from "./dom.js";
import { ago, link, format, type Labels } from "./labels.js";

/** The element of one item in the list. */
export class Row {
  readonly element: HTMLLIElement;
  /** The link or button that selects the item. The arrow keys move the focus to it. */
  readonly main: HTMLElement;

  #item: InboxItem;
  #hint = screenReaderText();
  #time: HTMLElement;
  #priority = span("priority");
  #read: HTMLElement;
  #archive: HTMLElement;

  constructor(item: InboxItem, select: (event: Event, item: InboxItem, href?: string) => void, mark: (verb: Verb, ids: string[]) => void) {
    const { id, title, type, body, data, time } = (this.#item = item);
    const href = link(data, document.baseURI);
    const click = (event: Event) => select(event, this.#item, href);
    this.#time = createElement("time", { part: "time", datetime: time, title: new Date(time).toLocaleString() });
    this.main = createElement(
      href ? "a" : "button",
      { part: "link", click, ...(href ? { href } : { type: "button" }) },
      this.#hint,
      span("item-title", title || type),
      span("item-body", body ?? ""),
      createElement("span", { part: "meta" }, this.#time, this.#priority),
    );
    this.#read = button("action", () => mark(this.#item.read_at ? "unread" : "read", [id]), icon("m5 12.5 4.5 4.5L19 7.5"));
    this.#archive = button("action", () => mark("archive", [id]), icon("M4 5h16v4H4zM5.5 9v10h13V9M10 13h4"));
    this.element = createElement("li", { "data-id": id }, this.main, createElement("span", { part: "actions" }, this.#read, this.#archive));
  }

  /** Updates the parts that can change. Tab reaches only the current row. */
  draw(item: InboxItem, labels: Labels, lang: string | undefined, now: number, current: boolean): void {
    this.#item = item;
    const { title, type, priority, read_at, time } = item;
    setAttribute(this.element, "part", `item ${priority}${read_at ? "" : " unread"}`);
    setText(this.#hint, read_at ? "" : `${format(labels.isUnread)}: `);
    setText(this.#time, ago(time, lang, now));
    setText(this.#priority, priority === "high" ? format(labels.high) : "");
    setAttribute(this.#read, "aria-label", (this.#read.title = format(read_at ? labels.markUnread : labels.markRead, title || type)));
    setAttribute(this.#archive, "aria-label", (this.#archive.title = format(labels.archive, title || type)));
    for (const one of [this.main, this.#read, this.#archive]) one.tabIndex = current ? 0 : -1;
  }
}
