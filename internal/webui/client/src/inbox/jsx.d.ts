// Appended to the element's types by the build, without these imports.
import type { Bell, Options } from "../index.js";
import type { BellhopInbox, InboxEvents } from "./element.js";
import type { Labels } from "./words.js";

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
