import { createElement, screenReaderText, setAttribute, setText, span } from "./dom.js";
import { badge, format, type Label } from "./labels.js";

/** A tab as it is displayed. */
export interface TabText {
  label: string;
  /** The number of unread notifications; 0 is not shown. */
  count: number;
}

/**
 * The list of tabs, as the ARIA practices describe it: Tab reaches the selected
 * one, and the arrow keys, Home and End select another. Elements are used again for
 * other texts, so that the focus stays.
 */
export class TabList {
  readonly element = createElement("div", { part: "tabs", role: "tablist", "aria-labelledby": "title" });
  #tabs: HTMLElement[] = [];
  #select: (at: number) => void;

  constructor(select: (at: number) => void) {
    this.#select = select;
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Returns the id of the selected tab. */
  draw(texts: TabText[], selected: number, unread: Label): string {
    const hadFocus = this.#focused >= 0;
    for (const tab of this.#tabs.splice(texts.length)) tab.remove();
    texts.forEach(({ label, count }, at) => {
      const tab = (this.#tabs[at] ??= this.#newTab(at));
      const [text, number, words] = [...tab.children] as HTMLElement[];
      const isSelected = at === selected;
      setAttribute(tab, "part", isSelected ? "tab selected" : "tab");
      setAttribute(tab, "aria-selected", `${isSelected}`);
      tab.tabIndex = isSelected ? 0 : -1;
      setText(text!, label);
      setText(number!, count ? badge(count) : "");
      setText(words!, count ? ` ${format(unread, count)}` : "");
    });
    this.element.hidden = !texts.length;
    if (hadFocus && this.#focused < 0) this.#tabs[selected]?.focus(); // the focused tab was removed
    return `tab-${selected}`;
  }

  /** The index of the tab that has the focus, or -1. */
  get #focused(): number {
    return this.#tabs.indexOf((this.element.getRootNode() as ShadowRoot).activeElement as HTMLElement);
  }

  #newTab(at: number): HTMLElement {
    const count = createElement("span", { part: "tab-count", "aria-hidden": "true" });
    const click = () => this.#select(at);
    const tab = createElement("button", { type: "button", role: "tab", id: `tab-${at}`, "aria-controls": "content", click }, span("tab-label"), count, screenReaderText());
    this.element.append(tab);
    return tab;
  }

  #key(event: KeyboardEvent): void {
    const { length } = this.#tabs;
    const at = this.#focused;
    const forward = getComputedStyle(this.element).direction === "rtl" ? -1 : 1;
    const to = { ArrowRight: at + forward, ArrowLeft: at - forward, Home: 0, End: length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault(); // no scrolling
    event.stopPropagation(); // Home and End do not move in the list
    const next = (to + length) % length;
    this.#select(next);
    this.#tabs[next]!.focus();
  }
}
