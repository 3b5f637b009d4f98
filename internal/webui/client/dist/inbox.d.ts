import { Bell, InboxItem, Notification, Options, Verb } from "./client.js";

//#region src/inbox/words.d.ts
/** A text, with `{}` for what it is about; or what makes one of it, for plurals. */
type Label = string | ((of: string | number) => string);
interface Labels {
  title: Label;
  /** Of the number that is unread. */
  unread: Label;
  /** Says that one item is unread. */
  isUnread: Label;
  /** Marks what has a high priority. */
  high: Label;
  empty: Label;
  loading: Label;
  failed: Label;
  retry: Label;
  offline: Label;
  more: Label;
  readAll: Label;
  /** Of the item's title, as are the next two. */
  markRead: Label;
  markUnread: Label;
  archive: Label;
  /** Said, not shown, of the title of what has just come. */
  arrived: Label;
}
//#endregion
//#region src/inbox/element.d.ts
/** What is to be marked: these, or without ids all that has come. */
interface Marking {
  verb: Verb;
  ids?: string[] | undefined;
}
/** What a page can listen to. Those that say so can be cancelled with preventDefault(). */
interface InboxEvents {
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
declare const Base: {
  new (): HTMLElement;
  prototype: HTMLElement;
};
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
declare class BellhopInbox extends Base {
  #private;
  static observedAttributes: string[];
  get url(): string | null;
  set url(url: string | null | undefined);
  get inline(): boolean;
  set inline(inline: boolean);
  get theme(): string | null;
  set theme(theme: string | null | undefined);
  /** The connection: the one that the page gave, else the one made of url and token. */
  get bell(): Bell | undefined;
  set bell(bell: Bell | null | undefined);
  /** As in connect(). Another function is called from the next time on, over the same connection. */
  get token(): Options["token"] | undefined;
  set token(token: Options["token"] | null | undefined);
  /** Texts that take the place of the English ones. */
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
export { BellhopInbox, type InboxEvents, type Label, type Labels, type Marking };
/** What JSX and templates may set on <bellhop-inbox>, besides what they may on any element. */
export interface InboxAttributes {
  url?: string | undefined;
  inline?: boolean | undefined;
  theme?: "light" | "dark" | "auto" | undefined;
  token?: Options["token"] | undefined;
  bell?: Bell | undefined;
  labels?: Partial<Labels> | undefined;
}

/** Handlers as React, Preact and Svelte write them: `onbellhop-select`; and Solid: `on:bellhop-select`. */
type InboxHandlers = {
  [E in keyof InboxEvents as `on${E}` | `on:${E}`]?: ((event: InboxEvents[E]) => void) | undefined;
};

/** Handlers as Vue writes them: `onBellhopSelect`, which is `@bellhop-select`. */
type VueInboxHandlers = {
  [E in keyof InboxEvents as E extends `bellhop-${infer Name}` ? `onBellhop${Capitalize<Name>}` : never]?: ((event: InboxEvents[E]) => void) | undefined;
};

// Each of these frameworks may not be installed: then what is said of it is ignored.

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
