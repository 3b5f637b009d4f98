import { Action, Bell, InboxFilter, InboxItem, Notification, Options, Verb } from "./client.js";

//#region src/inbox/filter.d.ts
/** A tab of the element: the part of the inbox that it lists. */
interface Tab extends InboxFilter {
  label: string;
}
//#endregion
//#region src/inbox/labels.d.ts
/** A text in which `{}` stands for a number or title; or a function of it that returns the text, for plurals. */
type Label = string | ((of: string | number) => string);
interface Labels {
  title: Label;
  /** The first tab, which lists the whole inbox. */
  all: Label;
  /** `{}` is the number of notifications that the user has not seen, which the badge shows. */
  unseen: Label;
  /** `{}` is the number of unread notifications. */
  unread: Label;
  /** Announces to screen readers that an item is unread. */
  isUnread: Label;
  /** Shown on items with high priority. */
  high: Label;
  empty: Label;
  loading: Label;
  failed: Label;
  retry: Label;
  offline: Label;
  more: Label;
  readAll: Label;
  /** `{}` is the title of the item, as in the next two. */
  markRead: Label;
  markUnread: Label;
  archive: Label;
  /** Announced to screen readers, not shown. `{}` is the title of a new notification. */
  arrived: Label;
}
//#endregion
//#region src/inbox/element.d.ts
/** A mark that the user makes: on these notifications, or without ids on all that have arrived. */
interface Marking {
  verb: Verb;
  ids?: string[] | undefined;
  /** Without ids: that of the selected tab; absent if all are marked. */
  filter?: InboxFilter | undefined;
}
/** An action of an item that the user selected. */
interface SelectedAction {
  item: InboxItem;
  action: Action;
}
/** The events of the element. preventDefault() has an effect where the event's comment says so. */
interface InboxEvents {
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
declare const Base: {
  new (): HTMLElement;
  prototype: HTMLElement;
};
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
declare class BellhopInbox extends Base {
  #private;
  static observedAttributes: string[];
  get url(): string | null;
  set url(url: string | null | undefined);
  get inline(): boolean;
  set inline(inline: boolean);
  get theme(): string | null;
  set theme(theme: string | null | undefined);
  /** Tabs behind the first one, which lists the whole inbox: `[{ label: "Mentions", type: "mention.*" }]`. The attribute has them as JSON. */
  get tabs(): Tab[];
  set tabs(tabs: Tab[] | string | null | undefined);
  /** The connection: the one that the page set, otherwise one created from url and token. */
  get bell(): Bell | undefined;
  set bell(bell: Bell | null | undefined);
  /** As in connect(). A new function replaces the old one for later calls; the connection stays open. */
  get token(): Options["token"] | undefined;
  set token(token: Options["token"] | null | undefined);
  /** Texts that replace the English ones. */
  get labels(): Partial<Labels>;
  set labels(labels: Partial<Labels> | null | undefined);
  /** Opens the panel. */
  show(): void;
  hide(): void;
  connectedCallback(): void;
  disconnectedCallback(): void;
  attributeChangedCallback(name: string, before: string | null, after: string | null): void;
}
//#endregion
export { BellhopInbox, type InboxEvents, type Label, type Labels, type Marking, type SelectedAction, type Tab };
/** The attributes of <bellhop-inbox> in JSX and templates, in addition to those of every element. */
export interface InboxAttributes {
  url?: string | undefined;
  inline?: boolean | undefined;
  theme?: "light" | "dark" | "auto" | undefined;
  tabs?: Tab[] | string | undefined;
  token?: Options["token"] | undefined;
  bell?: Bell | undefined;
  labels?: Partial<Labels> | undefined;
}

/** Names of handlers in React, Preact and Svelte (`onbellhop-select`), and in Solid (`on:bellhop-select`). */
type InboxHandlers = {
  [E in keyof InboxEvents as `on${E}` | `on:${E}`]?: ((event: InboxEvents[E]) => void) | undefined;
};

/** Names of handlers in Vue: `onBellhopSelect` in JSX, which is `@bellhop-select` in templates. */
type VueInboxHandlers = {
  [E in keyof InboxEvents as E extends `bellhop-${infer Name}` ? `onBellhop${Capitalize<Name>}` : never]?: ((event: InboxEvents[E]) => void) | undefined;
};

// A page installs at most one of these frameworks. @ts-ignore skips the declarations for the others.

// @ts-ignore
declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "bellhop-inbox": DetailedHTMLProps<HTMLAttributes<BellhopInbox>, BellhopInbox> & InboxAttributes & InboxHandlers;
    }
  }
}

// @ts-ignore
declare module "preact" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "bellhop-inbox": Omit<IntrinsicElements["div"], "ref"> & { ref?: import("preact").Ref<BellhopInbox> } & InboxAttributes & InboxHandlers;
    }
  }
}

// @ts-ignore
declare module "solid-js/jsx-runtime" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "bellhop-inbox": HTMLAttributes<BellhopInbox> & InboxAttributes & InboxHandlers;
    }
  }
}

// @ts-ignore
declare module "vue" {
  interface GlobalComponents {
    // @ts-ignore
    "bellhop-inbox": import("vue").DefineComponent<InboxAttributes & VueInboxHandlers>;
  }
}

// @ts-ignore
declare module "vue/jsx-runtime" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "bellhop-inbox": import("vue").HTMLAttributes & import("vue").ReservedProps & InboxAttributes & VueInboxHandlers;
    }
  }
}

// @ts-ignore
declare module "svelte/elements" {
  interface SvelteHTMLElements {
    // @ts-ignore
    "bellhop-inbox": HTMLAttributes<BellhopInbox> & InboxAttributes & InboxHandlers;
  }
}
