import type { InboxItem, Verb } from "../index.js";
import { button, hush, icon, make, set, span, write } from "./dom.js";
import { ago, link, say, type Labels } from "./words.js";

/** One item of the list, as it is drawn. */
export class Row {
  readonly element: HTMLLIElement;
  /** What is clicked, and where the arrow keys go. */
  readonly main: HTMLElement;

  #item: InboxItem;
  #hint = hush();
  #time: HTMLElement;
  #priority = span("priority");
  #read: HTMLElement;
  #archive: HTMLElement;

  constructor(item: InboxItem, select: (event: Event, item: InboxItem, href?: string) => void, mark: (verb: Verb, ids: string[]) => void) {
    const { id, title, type, body, data, time } = (this.#item = item);
    const href = link(data, document.baseURI);
    const click = (event: Event) => select(event, this.#item, href);
    this.#time = make("time", { part: "time", datetime: time, title: new Date(time).toLocaleString() });
    this.main = make(
      href ? "a" : "button",
      { part: "link", click, ...(href ? { href } : { type: "button" }) },
      this.#hint,
      span("item-title", title || type),
      span("item-body", body ?? ""),
      make("span", { part: "meta" }, this.#time, this.#priority),
    );
    this.#read = button("action", () => mark(this.#item.read_at ? "unread" : "read", [id]), icon("m5 12.5 4.5 4.5L19 7.5"));
    this.#archive = button("action", () => mark("archive", [id]), icon("M4 5h16v4H4zM5.5 9v10h13V9M10 13h4"));
    this.element = make("li", { "data-id": id }, this.main, make("span", { part: "actions" }, this.#read, this.#archive));
  }

  /** Draws what can change. Only the current row can be reached by Tab. */
  draw(item: InboxItem, labels: Labels, lang: string | undefined, now: number, current: boolean): void {
    this.#item = item;
    const { title, type, priority, read_at, time } = item;
    set(this.element, "part", `item ${priority}${read_at ? "" : " unread"}`);
    write(this.#hint, read_at ? "" : `${say(labels.isUnread)}: `);
    write(this.#time, ago(time, lang, now));
    write(this.#priority, priority === "high" ? say(labels.high) : "");
    set(this.#read, "aria-label", (this.#read.title = say(read_at ? labels.markUnread : labels.markRead, title || type)));
    set(this.#archive, "aria-label", (this.#archive.title = say(labels.archive, title || type)));
    for (const one of [this.main, this.#read, this.#archive]) one.tabIndex = current ? 0 : -1;
  }
}
