import type { Action, InboxItem, Verb } from "../index.js";
import { button, screenReaderText, icon, createElement, setAttribute, span, setText } from "./dom.js";
import { safeHref } from "./href.js";
import { ago, format, type Labels } from "./labels.js";

/** Is called for a click, or for a middle click on a link, on an item or on one of its actions. */
export type Select = (event: MouseEvent, item: InboxItem, href?: string, action?: Action) => void;

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
  #actions: HTMLElement[];

  constructor(item: InboxItem, select: Select, mark: (verb: Verb, ids: string[]) => void) {
    const { id, title, type, body, url, actions = [], time } = (this.#item = item);
    // A link if the URL is safe, otherwise a button, so that the page can handle the click.
    const target = (part: string, url: string | undefined, action: Action | undefined, ...children: Node[]) => {
      const href = safeHref(url, document.baseURI);
      const click = (event: Event) => select(event as MouseEvent, this.#item, href, action);
      return createElement(href ? "a" : "button", { part, click, auxclick: click, ...(href ? { href } : { type: "button" }) }, ...children);
    };
    this.#time = createElement("time", { part: "time", datetime: time, title: new Date(time).toLocaleString() });
    const heading = span("item-title", title || type);
    heading.id = `title-${id}`;
    this.main = target(
      "link",
      url,
      undefined,
      this.#hint,
      heading,
      span("item-body", body ?? ""),
      createElement("span", { part: "meta" }, this.#time, this.#priority),
    );
    this.#read = button("action", () => mark(this.#item.read_at ? "unread" : "read", [id]), icon("m5 12.5 4.5 4.5L19 7.5"));
    this.#archive = button("action", () => mark("archive", [id]), icon("M4 5h16v4H4zM5.5 9v10h13V9M10 13h4"));
    this.#actions = actions.map((action) => target("item-action", action.url, action, createElement("bdi", {}, action.title)));
    for (const one of this.#actions) setAttribute(one, "aria-describedby", heading.id);
    this.element = createElement("li", { "data-id": id }, this.main, createElement("span", { part: "actions" }, this.#read, this.#archive));
    if (actions.length) this.element.append(createElement("span", { part: "item-actions" }, ...this.#actions));
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
    for (const one of [this.main, this.#read, this.#archive, ...this.#actions]) one.tabIndex = current ? 0 : -1;
  }
}
