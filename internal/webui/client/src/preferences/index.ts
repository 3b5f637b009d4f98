import { BellhopPreferences } from "./element.js";

export { BellhopPreferences };
export type { PreferencesEvents } from "./element.js";
export type { Label } from "../inbox/labels.js";
export type { PreferencesLabels } from "./labels.js";
export type { Kind } from "./rules.js";

// Servers that render pages have no custom elements.
if (globalThis.customElements && !customElements.get("bellhop-preferences")) customElements.define("bellhop-preferences", BellhopPreferences);
