import { Bell, Options, Preferences } from "./client.js";

//#region src/inbox/labels.d.ts
/** A text in which `{}` stands for a number or title; or a function of it that returns the text, for plurals. */
type Label = string | ((of: string | number) => string);
//#endregion
//#region src/preferences/labels.d.ts
/** The texts of the element. A page can replace all of them, for other languages. */
interface PreferencesLabels {
  title: Label;
  off: Label;
  silent: Label;
  alert: Label;
  /** Explains the levels. */
  hint: Label;
  quiet: Label;
  /** Explains quiet hours. `{}` is their time zone. */
  quietHint: Label;
  from: Label;
  to: Label;
  loading: Label;
  saved: Label;
  /** `{}` is the reason: `offline`, `loggedOut`, or an explanation of the service. */
  notSaved: Label;
  offline: Label;
  loggedOut: Label;
  retry: Label;
}
//#endregion
//#region src/preferences/rules.d.ts
/** A kind of notifications. Its type and topic are as in a rule; without both, it is all notifications. */
interface Kind {
  label: string;
  type?: string | undefined;
  topic?: string | undefined;
}
//#endregion
//#region src/preferences/element.d.ts
/** The event of the element. */
interface PreferencesEvents {
  /** A change was stored; the detail has all preferences. */
  "bellhop-preferences": CustomEvent<Preferences>;
}
declare global {
  interface HTMLElementEventMap extends PreferencesEvents {}
  interface HTMLElementTagNameMap {
    "bellhop-preferences": BellhopPreferences;
  }
}
declare const Base: {
  new (): HTMLElement;
  prototype: HTMLElement;
};
/**
 * Lets users choose which kinds of notifications they receive, and quiet hours:
 *
 *     <bellhop-preferences url="https://bell.example.com" kinds='[{"label": "Comments", "type": "comment.*"}]'></bellhop-preferences>
 *     document.querySelector("bellhop-preferences").token = token;
 *
 * A page that has already connected sets `bell` instead: `preferences.bell = connect(…)`.
 *
 * The attributes `url` and `kinds` are also properties; as a property, `kinds` may be a list.
 * The attribute `theme` is that of <bellhop-inbox>.
 *
 * Setting a property to an equal value changes nothing, since frameworks set properties at
 * every render.
 */
declare class BellhopPreferences extends Base {
  #private;
  static observedAttributes: string[];
  url: string | null | undefined;
  /** What the user can choose a level for: a list or its JSON. */
  kinds: Kind[] | string | null | undefined;
  /** The connection: the one that the page set, otherwise one created from url and token. */
  bell: Bell | null | undefined;
  /** As in connect(). A new function replaces the old one for later calls; the connection stays open. */
  token: Options["token"] | null | undefined;
  /** Texts that replace the English ones. */
  labels: Partial<PreferencesLabels> | null | undefined;
  constructor();
  connectedCallback(): void;
  disconnectedCallback(): void;
  attributeChangedCallback(name: "url" | "kinds", _: string | null, value: string | null): void;
}
//#endregion
export { BellhopPreferences, type Kind, type Label, type PreferencesEvents, type PreferencesLabels };
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
