import { connect, type Action, type Bell, type InboxItem, type Notification, type Options, type Verb } from "../index.js";
import { List } from "./list.js";
import { View } from "./view.js";
import { english, type Labels } from "./labels.js";

/** A mark that the user makes: on these notifications, or without ids on all that have arrived. */
export interface Marking {
  verb: Verb;
  ids?: string[] | undefined;
}

/** An action of an item that the user selected. */
export interface SelectedAction {
  item: InboxItem;
  action: Action;
}

interface Details {
  select: InboxItem;
  action: SelectedAction;
  mark: Marking;
  notification: Notification;
  count: number;
  toggle: boolean;
}

/** The events of the element. preventDefault() has an effect where the event's comment says so. */
export interface InboxEvents {
  /** The user selected an item. preventDefault() keeps the browser from following its link, so that the page can navigate itself. */
  "bellhop-select": CustomEvent<InboxItem>;
  /** The user selected an action of an item. preventDefault() as above. */
  "bellhop-action": CustomEvent<SelectedAction>;
  /** The user marks notifications. preventDefault() prevents the mark. */
  "bellhop-mark": CustomEvent<Marking>;
  /** A new notification arrived. preventDefault() prevents the animation of the bell and the announcement to screen readers. */
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

// Servers that render pages import this module too, and have no HTMLElement.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * A bell with the unread count, and the inbox in a panel below it:
 *
 *     <bellhop-inbox url="https://bell.example.com"></bellhop-inbox>
 *     document.querySelector("bellhop-inbox").token = token;
 *
 * A page that has already connected sets `bell` instead: `inbox.bell = connect(…)`.
 *
 * These attributes are also properties: `url`; `inline`, which shows the list without
 * a bell; `theme`, which is `light`, `dark` or `auto` (the system's). Without `theme`,
 * the page's color-scheme applies.
 *
 * Setting a property to its current value changes nothing, since frameworks set
 * properties at every render.
 */
export class BellhopInbox extends Base {
  static observedAttributes = ["url", "inline"];

  #view: View | undefined;
  #list: List | undefined;
  #pageBell: Bell | undefined;
  #ownBell: Bell | undefined; // created and closed by this element
  #token: Options["token"] | undefined;
  #labels: Partial<Labels> = {};
  #count = 0;
  #reconnect = false; // the settings of the connection have changed
  #drawQueued = false;

  get url(): string | null {
    return this.getAttribute("url");
  }

  set url(url: string | null | undefined) {
    setOrRemove(this, "url", url);
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
    setOrRemove(this, "theme", theme);
  }

  /** The connection: the one that the page set, otherwise one created from url and token. */
  get bell(): Bell | undefined {
    return this.#pageBell ?? this.#ownBell;
  }

  set bell(bell: Bell | null | undefined) {
    if (bell === this.bell || (!bell && !this.#pageBell)) return;
    this.#pageBell = bell ?? undefined;
    this.#draw(true);
  }

  /** As in connect(). A new function replaces the old one for later calls; the connection stays open. */
  get token(): Options["token"] | undefined {
    return this.#token;
  }

  set token(token: Options["token"] | null | undefined) {
    const reconnect = !token !== !this.#token && !this.#pageBell;
    this.#token = token ?? undefined;
    if (reconnect) this.#draw(true);
  }

  /** Texts that replace the English ones. */
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
      select: (item, action) => (action ? this.#dispatch("action", { item, action }) : this.#dispatch("select", item)),
      mark: (verb, ids) => this.#dispatch("mark", { verb, ids }) && this.#list?.mark(verb, ids),
      more: () => this.#list?.more(),
      toggle: (open) => {
        this.#dispatch("toggle", open);
        this.#draw();
      },
      redraw: () => this.#draw(),
    });
    this.#view.applyLayout();
    // A property that was set before the element was defined hides the accessor of the class: delete it, then set it again.
    for (const name of ["token", "labels", "bell", "url", "inline", "theme"] as const) {
      const value = this[name];
      if (Object.hasOwn(this, name) && delete this[name]) Object.assign(this, { [name]: value });
    }
    this.#draw();
  }

  disconnectedCallback(): void {
    this.#view!.updateClock();
    this.#draw();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === "inline") this.#view?.applyLayout();
    this.#draw(name === "url" && !this.#pageBell);
  }

  // Queues one update for all changes of a task, such as a removal and insertion that move the element.
  #draw(reconnect = false): void {
    this.#reconnect ||= reconnect;
    if (this.#drawQueued) return;
    this.#drawQueued = true;
    queueMicrotask(() => {
      this.#drawQueued = false;
      this.#connect();
      const { state, unreadCount = 0 } = this.bell ?? {};
      this.#view?.draw(this.#list, unreadCount, state === "offline" || state === "waiting", this.#mergedLabels(), this.bell?.now());
      if (unreadCount !== this.#count) this.#dispatch("count", (this.#count = unreadCount));
    });
  }

  #connect(): void {
    if (this.#reconnect || !this.isConnected) {
      this.#reconnect = false;
      this.#list?.close();
      this.#ownBell?.close();
      this.#list = this.#ownBell = undefined;
    }
    if (!this.isConnected) return;
    const { url } = this;
    if (!this.bell && url && this.#token) this.#ownBell = connect({ url, token: (ask) => this.#token?.(ask) });
    if (this.bell) this.#list ??= new List(this.bell, () => this.#draw(), (notification) => {
      if (this.#dispatch("notification", notification)) this.#view!.ring(notification, this.#mergedLabels());
    });
    if (this.#view?.open) this.#list?.ensureLoaded();
  }

  /** Dispatches an event; returns false if the page called preventDefault(). */
  #dispatch<E extends string & keyof Details>(name: E, detail: Details[E]): boolean {
    return this.dispatchEvent(new CustomEvent(`bellhop-${name}`, { detail, bubbles: true, composed: true, cancelable: true }));
  }

  #mergedLabels(): Labels {
    const defined = Object.entries(this.#labels).filter(([, label]) => label != null); // frameworks set undefined for absent values
    return { ...english, ...Object.fromEntries(defined) };
  }
}

function setOrRemove(element: HTMLElement, name: string, value: string | null | undefined): void {
  if (value == null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}
