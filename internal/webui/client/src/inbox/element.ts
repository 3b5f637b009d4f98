import { connect, type Action, type Bell, type InboxFilter, type InboxItem, type Notification, type Options, type Verb } from "../index.js";
import { parseTabs, type Tab } from "./filter.js";
import { Lists } from "./lists.js";
import { View } from "./view.js";
import { english, type Labels } from "./labels.js";

/** A mark that the user makes: on these notifications, or without ids on all that have arrived. */
export interface Marking {
  verb: Verb;
  ids?: string[] | undefined;
  /** Without ids: that of the selected tab; absent if all are marked. */
  filter?: InboxFilter | undefined;
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
  unseen: number;
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
  /** The number of unseen notifications, which the badge shows, changed. preventDefault() leaves the badge of the app as it is. */
  "bellhop-unseen": CustomEvent<number>;
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
 * A bell with the number of unseen notifications, and the inbox in a panel below it:
 *
 *     <bellhop-inbox url="https://bell.example.com"></bellhop-inbox>
 *     document.querySelector("bellhop-inbox").token = token;
 *
 * A page that has already connected sets `bell` instead: `inbox.bell = connect(…)`.
 *
 * These attributes are also properties: `url`; `inline`, which shows the list without
 * a bell; `tabs`, which list parts of the inbox; `theme`, which is `light`, `dark` or
 * `auto` (the system's). Without `theme`, the page's color-scheme applies.
 *
 * Setting a property to its current value changes nothing, since frameworks set
 * properties at every render.
 */
export class BellhopInbox extends Base {
  static observedAttributes = ["url", "inline", "tabs"];

  #view: View | undefined;
  #lists: Lists | undefined;
  #pageBell: Bell | undefined;
  #ownBell: Bell | undefined; // created and closed by this element
  #token: Options["token"] | undefined;
  #labels: Partial<Labels> = {};
  #tabs: Tab[] = [];
  #count = 0;
  #unseen: number | undefined; // until the service has sent it, the badge of the app stays
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

  /** Tabs behind the first one, which lists the whole inbox: `[{ label: "Mentions", type: "mention.*" }]`. The attribute has them as JSON. */
  get tabs(): Tab[] {
    return this.#tabs;
  }

  set tabs(tabs: Tab[] | string | null | undefined) {
    setOrRemove(this, "tabs", typeof tabs === "string" ? tabs : tabs && JSON.stringify(tabs));
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
      mark: (verb, ids) => this.#dispatch("mark", { verb, ids, filter: ids ? undefined : this.#lists?.list.filter }) && this.#lists?.mark(verb, ids),
      more: () => this.#lists?.list.more(),
      selectTab: (at) => this.#lists?.select(at),
      toggle: (open) => {
        this.#dispatch("toggle", open);
        this.#draw();
      },
      redraw: () => this.#draw(),
    });
    this.#view.applyLayout();
    document.addEventListener("visibilitychange", this.#redraw);
    // A property that was set before the element was defined hides the accessor of the class: delete it, then set it again.
    for (const name of ["token", "labels", "bell", "url", "inline", "tabs", "theme"] as const) {
      const value = this[name];
      if (Object.hasOwn(this, name) && delete this[name]) Object.assign(this, { [name]: value });
    }
    this.#draw();
  }

  disconnectedCallback(): void {
    this.#view!.updateClock();
    document.removeEventListener("visibilitychange", this.#redraw);
    this.#draw();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === "inline") this.#view?.applyLayout();
    if (name === "tabs") {
      const tabs = parseTabs(after);
      if (JSON.stringify(tabs) !== JSON.stringify(this.#tabs)) this.#tabs = tabs;
    }
    this.#draw(name === "url" && !this.#pageBell);
  }

  #redraw = () => this.#draw();

  // Queues one update for all changes of a task, such as a removal and insertion that move the element.
  #draw(reconnect = false): void {
    this.#reconnect ||= reconnect;
    if (this.#drawQueued) return;
    this.#drawQueued = true;
    queueMicrotask(() => {
      this.#drawQueued = false;
      this.#connect();
      this.#show();
    });
  }

  #connect(): void {
    if (this.#reconnect || !this.isConnected) {
      this.#reconnect = false;
      this.#lists?.close();
      this.#ownBell?.close();
      this.#lists = this.#ownBell = undefined;
    }
    if (!this.isConnected) return;
    const { url } = this;
    if (!this.bell && url && this.#token) this.#ownBell = connect({ url, token: (ask) => this.#token?.(ask) });
    if (this.bell) this.#lists ??= new Lists(this.bell, () => this.#draw(), (notification) => {
      if (this.#dispatch("notification", notification)) this.#view!.ring(notification, this.#mergedLabels());
    });
    if (!this.#lists) return;
    this.#lists.tabs = this.#tabs;
    this.#lists.visible = this.#view!.open;
  }

  #show(): void {
    const { unreadCount = 0, unseenCount: unseen = this.#unseen && 0 } = this.bell ?? {};
    this.#view?.draw(this.bell, this.#lists, this.#tabs, this.#mergedLabels());
    if (unreadCount !== this.#count) this.#dispatch("count", (this.#count = unreadCount));
    if (unseen !== this.#unseen && this.#dispatch("unseen", (this.#unseen = unseen)!)) void setAppBadge(unseen!);
    if (this.#view?.shown) this.#lists?.markSeen();
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

/**
 * Sets the badge of an installed app. Each tab sets it, since all have the same
 * count, and the tab that is responsible could be suspended. A browser may refuse it.
 */
async function setAppBadge(count: number): Promise<void> {
  try {
    await (count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.());
  } catch {
    // Such as in some frames.
  }
}
