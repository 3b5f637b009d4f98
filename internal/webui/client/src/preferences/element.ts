import { connect, type Bell, type Options, type Preferences } from "../index.js";
import { newEdits, type Edits } from "./edits.js";
import type { PreferencesLabels } from "./labels.js";
import { parseKinds, type Kind } from "./rules.js";
import { newView } from "./view.js";

/** The event of the element. */
export interface PreferencesEvents {
  /** A change was stored; the detail has all preferences. */
  "bellhop-preferences": CustomEvent<Preferences>;
}

declare global {
  interface HTMLElementEventMap extends PreferencesEvents {}
  interface HTMLElementTagNameMap {
    "bellhop-preferences": BellhopPreferences;
  }
}

// Servers that render pages import this module too, and have no HTMLElement.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

const NAMES = ["url", "kinds", "bell", "token", "labels"] as const;
type Properties = Partial<Record<(typeof NAMES)[number], any>>;

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
export class BellhopPreferences extends Base {
  static observedAttributes = ["url", "kinds"];

  declare url: string | null | undefined;

  /** What the user can choose a level for: a list or its JSON. */
  declare kinds: Kind[] | string | null | undefined;

  /** The connection: the one that the page set, otherwise one created from url and token. */
  declare bell: Bell | null | undefined;

  /** As in connect(). A new function replaces the old one for later calls; the connection stays open. */
  declare token: Options["token"] | null | undefined;

  /** Texts that replace the English ones. */
  declare labels: Partial<PreferencesLabels> | null | undefined;

  #update: () => void;

  constructor() {
    super();
    const given: Properties = {}; // as the page has set them
    let own: Properties = {}; // the bell that this element has created, and closes
    let kinds: Kind[] = [];
    let source: unknown; // of edits: a Bell, or the address of the service
    let edits: Edits | undefined;
    let stop: (() => void) | undefined; // removes the handler for edits
    let queued = false;
    const draw = newView(this, (change) => edits?.change(change), () => edits?.load());

    const use = (bell: Bell) => {
      const current = newEdits(bell, this.#update, (detail) => this.dispatchEvent(new CustomEvent("bellhop-preferences", { detail, bubbles: true, composed: true })));
      edits = current;
      stop = bell.on("state", ({ state }) => state === "open" && current.load()); // the service also ends connections when preferences change
    };

    // Makes one update for all changes of a task, such as a removal and insertion that move the element.
    this.#update = async () => {
      if (queued) return;
      queued = true;
      await undefined;
      queued = false;
      const { url, token, bell } = given;
      const before = source;
      source = this.isConnected && (bell || (token && url));
      if (source !== before) {
        stop?.();
        own.bell?.close();
        own = {};
        edits = undefined;
        if (source) use(bell ?? (own.bell = connect({ url, token: (ask) => this.token?.(ask) })));
      }
      draw(kinds, edits, this.labels);
    };

    for (const name of NAMES) {
      const early = this[name]; // set before the element was defined
      Object.defineProperty(this, name, {
        get: () => given[name] ?? own[name],
        set: (value) => {
          if (value === this[name]) return;
          given[name] = value;
          if (name === "kinds") kinds = parseKinds(value);
          this.#update();
        },
      });
      this[name] = early as any;
    }
  }

  connectedCallback(): void {
    this.#update();
  }

  disconnectedCallback(): void {
    this.#update();
  }

  attributeChangedCallback(name: "url" | "kinds", _: string | null, value: string | null): void {
    this[name] = value;
  }
}
