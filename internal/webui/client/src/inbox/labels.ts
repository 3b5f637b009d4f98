// The texts of the element. A page can replace all of them, for other languages.

/** A text in which `{}` stands for a number or title; or a function of it that returns the text, for plurals. */
export type Label = string | ((of: string | number) => string);

export interface Labels {
  title: Label;
  /** The first tab, which lists the whole inbox. */
  all: Label;
  /** `{}` is the number of notifications that the user has not seen, which the badge shows. */
  unseen: Label;
  /** `{}` is the number of unread notifications. */
  unread: Label;
  /** Announces to screen readers that an item is unread. */
  isUnread: Label;
  /** Shown on items with high priority. */
  high: Label;
  empty: Label;
  loading: Label;
  failed: Label;
  retry: Label;
  offline: Label;
  more: Label;
  readAll: Label;
  /** `{}` is the title of the item, as in the next two. */
  markRead: Label;
  markUnread: Label;
  archive: Label;
  /** Announced to screen readers, not shown. `{}` is the title of a new notification. */
  arrived: Label;
}

export const english: Labels = {
  title: "Notifications",
  all: "All",
  unseen: "{} new",
  unread: "{} unread",
  isUnread: "Unread",
  high: "Important",
  empty: "You are all caught up.",
  loading: "Loading…",
  failed: "Could not be loaded.",
  retry: "Try again",
  offline: "No connection. Marks are saved until you are online again.",
  more: "Show older",
  readAll: "Mark all as read",
  markRead: "Mark as read: {}",
  markUnread: "Mark as unread: {}",
  archive: "Archive: {}",
  arrived: "New notification: {}",
};

/** Returns the text of a label, with of in place of `{}`. */
export function format(label: Label, of: string | number = ""): string {
  return typeof label === "string" ? label.replace("{}", () => String(of)) : label(of);
}

/** Returns a count as text of at most three characters, for the badge. */
export const badge = (count: number): string => (count > 99 ? "99+" : String(count));

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;
const WEEK = 7 * 86_400;

/** Returns how long ago a time was, or its date if it is more than a week ago. */
export function ago(time: string, lang: string | undefined, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (seconds > WEEK) return new Date(time).toLocaleDateString(lang, { dateStyle: "medium" });
  const format = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  for (const [unit, length] of UNITS) if (seconds >= length) return format.format(-Math.floor(seconds / length), unit);
  return format.format(0, "second"); // now
}
