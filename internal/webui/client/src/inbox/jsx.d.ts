// The build appends this file, without its imports, to the types of the element.
import type { Bell, Options } from "../index.js";
import type { BellhopInbox, InboxEvents } from "./element.js";
import type { Tab } from "./filter.js";
import type { Labels } from "./labels.js";

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
