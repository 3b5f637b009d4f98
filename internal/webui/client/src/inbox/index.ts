import { BellhopInbox } from "./element.js";

export type { Label, Labels } from "./labels.js";
export { BellhopInbox };
export type { Tab } from "./filter.js";
export type { InboxEvents, Marking, SelectedAction } from "./element.js";

// Servers that render pages have no custom elements.
if (globalThis.customElements && !customElements.get("bellhop-inbox")) customElements.define("bellhop-inbox", BellhopInbox);
