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
 *     document.querySelector("bellhop-inbox").token = async () => (await fetch("/my/token")).text();
 *
 * A page that has a connection gives it instead: `inbox.bell = connect(…)`.
 *
 * Attributes: `url`; `inline` for the list without a bell; `theme`, which is
 * `light`, `dark` or `auto` (as the system has it), else as the page's color-scheme.
 */
declare class BellhopInbox extends Base {
  #private;
  static observedAttributes: string[];
  /** The connection: the one that the page gave, else the one made of url and token. */
  get bell(): Bell | undefined;
  set bell(bell: Bell | undefined);
  /** As in connect(). */
  get token(): Options["token"] | undefined;
  set token(token: Options["token"] | undefined);
  /** Texts that take the place of the English ones. */
  get labels(): Partial<Labels>;
  set labels(labels: Partial<Labels>);
  /** Opens the panel. */
  show(): void;
  hide(): void;
  connectedCallback(): void;
  disconnectedCallback(): void;
  attributeChangedCallback(name: string): void;
}
//#endregion
export { BellhopInbox, type InboxEvents, type Label, type Labels, type Marking };