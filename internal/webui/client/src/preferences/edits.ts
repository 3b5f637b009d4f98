import type { Bell, Preferences } from "../index.js";

export type Change = (preferences: Preferences) => Preferences;

/** The preferences of a user, with the changes of the page. */
export interface Edits {
  /** undefined until they are loaded, and after a logout. */
  shown(): Preferences | undefined;
  /** The result of the last exchange with the service: a label, or the service's explanation. */
  note?: string | undefined;
  /** Why the last exchange failed: a label, or the service's explanation. */
  reason?: string;
  load(): void;
  /** Makes a change, which shows at once, and stores it. It is dropped if it cannot be stored. */
  change(change: Change): void;
}

const apply = (changes: Change[], preferences: Preferences) => changes.reduce((before, change) => change(before), preferences);

/** Loads preferences. Calls redraw when what is shown may have changed, and saved when changes were stored. */
export function newEdits(bell: Bell, redraw: () => void, saved: (preferences: Preferences) => void): Edits {
  let stored: Preferences | undefined;
  let changes: Change[] = []; // not stored yet
  let last: Promise<unknown> = Promise.resolve(); // resolves after the last exchange

  /** Reads the preferences, and stores the changes made up to now. */
  async function exchange(): Promise<void> {
    const current = changes;
    const any = current[0];
    try {
      stored = await bell.preferences((before) => apply(current, before));
      if (any) saved(stored);
      if (edits.note !== "notSaved") {
        edits.note = any && "saved";
        edits.reason = "";
      } // otherwise the user must learn of an earlier change
    } catch (error) {
      const { status, message } = error as Error & { status?: number };
      const loggedOut = status === 401;
      if (loggedOut) stored = undefined;
      edits.reason = loggedOut ? "loggedOut" : status ? message : "offline";
      edits.note = any ? "notSaved" : edits.reason;
    }
    changes = changes.slice(current.length);
    redraw();
  }

  const edits: Edits = {
    shown: () => stored && apply(changes, stored),
    load() {
      if (!stored) edits.note = "loading";
      last = last.then(exchange);
      redraw();
    },
    change(change) {
      const shown = edits.shown();
      if (shown && change(shown) !== shown) {
        edits.note = undefined;
        changes = [...changes, change];
        last = last.then((): unknown => changes.includes(change) && exchange()); // otherwise it is stored already
      }
      redraw();
    },
  };
  edits.load();
  return edits;
}
