import { connect, type Bell, type InboxItem, type Notification, type Options, type Verb } from "../index.js";
import { List } from "./list.js";
import { View } from "./view.js";
import { english, type Labels } from "./words.js";

/** What is to be marked: these, or without ids all that has come. */
export interface Marking {
  verb: Verb;
  ids?: string[] | undefined;
}

interface Details {
  select: InboxItem;
  mark: Marking;
  notification: Notification;
  count: number;
  toggle: boolean;
}

/** What a page can listen to. Those that say so can be cancelled with preventDefault(). */
export interface InboxEvents {
  /** An item was chosen. Cancelled, a link is not followed: the page goes there in its own way. */
  "bellhop-select": CustomEvent<InboxItem>;
  /** The user marks something. Cancelled, it stays as it was. */
  "bellhop-mark": CustomEvent<Marking>;
  /** Something new came. Cancelled, the bell does not ring and nothing is said to screen readers. */
  "bellhop-notification": CustomEvent<Notification>;
  /** The unread count changed. */
  "bellhop-count": CustomEvent<number>;
  /** The panel was opened or closed. */
  "bellhop-toggle": CustomEvent<boolean>;
}

declare global {
  interface HTMLElementEventMap extends InboxEvents {}
  interface HTMLElementTagNameMap {
    "bellhop-inbox": BellhopInbox;
  }
}

// Where pages are made on a server this module is loaded too.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * A bell with its badge, and what was told in a panel below it:
 *
 *     <bellhop-inbox url="https://bell.example.com"></bellhop-inbox>
 *     document.querySelector("bellhop-inbox").token = token;
 *
 * A page that has a connection gives it instead: `inbox.bell = connect(…)`.
 *
 * Attributes, which are properties too: `url`; `inline` for the list without a
 * bell; `theme`, which is `light`, `dark` or `auto` (as the system has it), else
 * as the page's color-scheme.
 *
 * Frameworks set properties again and again: an equal value changes nothing.
 */
export class BellhopInbox extends Base {
  static observedAttributes = ["url", "inline"];

  #view: View | undefined;
  #list: List | undefined;
  #given: Bell | undefined;
  #own: Bell | undefined; // made here, and ends here
  #token: Options["token"] | undefined;
  #labels: Partial<Labels> = {};
  #count = 0;
  #renew = false; // what is connected is not what was asked for
  #drawing = false;

  get url(): string | null {
    return this.getAttribute("url");
  }

  set url(url: string | null | undefined) {
    put(this, "url", url);
  }

  get inline(): boolean {
    return this.hasAttribute("inline");
  }

  set inline(inline: boolean) {
    this.toggleAttribute("inline", !!inline);
  }

  get theme(): string | null {
    return this.getAttribute("theme");
  }

  set theme(theme: string | null | undefined) {
    put(this, "theme", theme);
  }

  /** The connection: the one that the page gave, else the one made of url and token. */
  get bell(): Bell | undefined {
    return this.#given ?? this.#own;
  }

  set bell(bell: Bell | null | undefined) {
    if (bell === this.bell || (!bell && !this.#given)) return;
    this.#given = bell ?? undefined;
    this.#draw(true);
  }

  /** As in connect(). Another function is called from the next time on, over the same connection. */
  get token(): Options["token"] | undefined {
    return this.#token;
  }

  set token(token: Options["token"] | null | undefined) {
    const renew = !token !== !this.#token && !this.#given;
    this.#token = token ?? undefined;
    if (renew) this.#draw(true);
  }

  /** Texts that take the place of the English ones. */
  get labels(): Partial<Labels> {
    return this.#labels;
  }

  set labels(labels: Partial<Labels> | null | undefined) {
    this.#labels = labels ?? {};
    this.#draw();
  }

  /** Opens the panel. */
  show(): void {
    this.#view?.show();
  }

  hide(): void {
    this.#view?.hide();
  }

  connectedCallback(): void {
    this.#view ??= new View(this, {
      select: (item) => this.#says("select", item),
      mark: (verb, ids) => this.#says("mark", { verb, ids }) && this.#list?.mark(verb, ids),
      more: () => this.#list?.more(),
      toggle: (open) => {
        this.#says("toggle", open);
        this.#draw();
      },
      redraw: () => this.#draw(),
    });
    this.#view.shape();
    // What was set before the element was defined hides what it should have set.
    for (const name of ["token", "labels", "bell", "url", "inline", "theme"] as const) {
      const value = this[name];
      if (Object.hasOwn(this, name) && delete this[name]) Object.assign(this, { [name]: value });
    }
    this.#draw();
  }

  disconnectedCallback(): void {
    this.#view!.tick();
    this.#draw();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === "inline") this.#view?.shape();
    this.#draw(name === "url" && !this.#given);
  }

  // Once for all that happens in one go, such as a move to another place.
  #draw(renew = false): void {
    this.#renew ||= renew;
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      this.#connect();
      const { state, unreadCount = 0 } = this.bell ?? {};
      this.#view?.draw(this.#list, unreadCount, state === "offline" || state === "waiting", this.#words(), this.bell?.now());
      if (unreadCount !== this.#count) this.#says("count", (this.#count = unreadCount));
    });
  }

  #connect(): void {
    if (this.#renew || !this.isConnected) {
      this.#renew = false;
      this.#list?.close();
      this.#own?.close();
      this.#list = this.#own = undefined;
    }
    if (!this.isConnected) return;
    const { url } = this;
    if (!this.bell && url && this.#token) this.#own = connect({ url, token: (ask) => this.#token?.(ask) });
    if (this.bell) this.#list ??= new List(this.bell, () => this.#draw(), (notification) => {
      if (this.#says("notification", notification)) this.#view!.ring(notification, this.#words());
    });
    if (this.#view?.open) this.#list?.want();
  }

  /** Returns false if the page cancelled it. */
  #says<E extends string & keyof Details>(name: E, detail: Details[E]): boolean {
    return this.dispatchEvent(new CustomEvent(`bellhop-${name}`, { detail, bubbles: true, composed: true, cancelable: true }));
  }

  #words(): Labels {
    const given = Object.entries(this.#labels).filter(([, label]) => label != null); // frameworks set undefined
    return { ...english, ...Object.fromEntries(given) };
  }
}

function put(element: HTMLElement, name: string, value: string | null | undefined): void {
  if (value == null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}
