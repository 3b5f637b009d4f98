import { BellhopInbox } from "./element.js";

export type { Label, Labels } from "./words.js";
export { BellhopInbox };
export type { InboxEvents, Marking } from "./element.js";

// Where pages are made on a server there are no elements.
if (globalThis.customElements && !customElements.get("bellhop-inbox")) customElements.define("bellhop-inbox", BellhopInbox);
