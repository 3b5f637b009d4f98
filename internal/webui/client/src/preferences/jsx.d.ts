// The build appends this file, without its imports, to the types of the element.
import type { Bell, Options } from "../index.js";
import type { BellhopPreferences, PreferencesEvents } from "./element.js";
import type { PreferencesLabels } from "./labels.js";
import type { Kind } from "./rules.js";

/** The attributes of <bellhop-preferences> in JSX and templates, in addition to those of every element. */
export interface PreferencesAttributes {
  url?: string | undefined;
  kinds?: Kind[] | string | undefined;
  theme?: "light" | "dark" | "auto" | undefined;
  token?: Options["token"] | undefined;
  bell?: Bell | undefined;
  labels?: Partial<PreferencesLabels> | undefined;
}

/** Names of handlers in React, Preact and Svelte (`onbellhop-preferences`), and in Solid (`on:bellhop-preferences`). */
type PreferencesHandlers = {
  [E in keyof PreferencesEvents as `on${E}` | `on:${E}`]?: ((event: PreferencesEvents[E]) => void) | undefined;
};

/** Names of handlers in Vue: `onBellhopPreferences` in JSX, which is `@bellhop-preferences` in templates. */
type VuePreferencesHandlers = {
  [E in keyof PreferencesEvents as E extends `bellhop-${infer Name}` ? `onBellhop${Capitalize<Name>}` : never]?: ((event: PreferencesEvents[E]) => void) | undefined;
};

// A page installs at most one of these frameworks. @ts-ignore skips the declarations for the others.

// @ts-ignore
declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "bellhop-preferences": DetailedHTMLProps<HTMLAttributes<BellhopPreferences>, BellhopPreferences> & PreferencesAttributes & PreferencesHandlers;
    }
  }
}

// @ts-ignore
declare module "preact" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "bellhop-preferences": Omit<IntrinsicElements["div"], "ref"> & { ref?: import("preact").Ref<BellhopPreferences> } & PreferencesAttributes & PreferencesHandlers;
    }
  }
}

// @ts-ignore
declare module "solid-js/jsx-runtime" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "bellhop-preferences": HTMLAttributes<BellhopPreferences> & PreferencesAttributes & PreferencesHandlers;
    }
  }
}

// @ts-ignore
declare module "vue" {
  interface GlobalComponents {
    // @ts-ignore
    "bellhop-preferences": import("vue").DefineComponent<PreferencesAttributes & VuePreferencesHandlers>;
  }
}

// @ts-ignore
declare module "vue/jsx-runtime" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "bellhop-preferences": import("vue").HTMLAttributes & import("vue").ReservedProps & PreferencesAttributes & VuePreferencesHandlers;
    }
  }
}

// @ts-ignore
declare module "svelte/elements" {
  interface SvelteHTMLElements {
    // @ts-ignore
    "bellhop-preferences": HTMLAttributes<BellhopPreferences> & PreferencesAttributes & PreferencesHandlers;
  }
}
