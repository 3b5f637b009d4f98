// What the element says. All of it can be replaced, for other languages.

/** A text, with `{}` for what it is about; or what makes one of it, for plurals. */
export type Label = string | ((of: string | number) => string);

export interface Labels {
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

export const english: Labels = {
  title: "Notifications",
  unread: "{} unread",
  isUnread: "Unread",
  high: "Important",
  empty: "You are all caught up.",
  loading: "Loading…",
  failed: "Could not be loaded.",
  retry: "Try again",
  offline: "No connection. Marks are kept until it is back.",
  more: "Show older",
  readAll: "Mark all as read",
  markRead: "Mark as read: {}",
  markUnread: "Mark as unread: {}",
  archive: "Archive: {}",
  arrived: "New notification: {}",
};

/** Returns the text of a label. */
export function say(label: Label, of: string | number = ""): string {
  return typeof label === "string" ? label.replace("{}", () => String(of)) : label(of);
}

/** Returns a count as it fits a badge. */
export const badge = (count: number): string => (count > 99 ? "99+" : String(count));

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;
const WEEK = 7 * 86_400;

/** Returns how long ago a time was, or its date if that was more than a week. */
export function ago(time: string, lang: string | undefined, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (seconds > WEEK) return new Date(time).toLocaleDateString(lang, { dateStyle: "medium" });
  const format = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  for (const [unit, length] of UNITS) if (seconds >= length) return format.format(-Math.floor(seconds / length), unit);
  return format.format(0, "second"); // now
}

/** Returns where data.url leads, if a link to there is safe. */
export function link(data: Record<string, unknown> | undefined, base: string): string | undefined {
  if (typeof data?.url !== "string") return undefined;
  try {
    const { protocol, href } = new URL(data.url, base);
    return protocol === "https:" || protocol === "http:" ? href : undefined;
  } catch {
    return undefined;
  }
}
