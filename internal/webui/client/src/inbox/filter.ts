import type { InboxFilter, Notification } from "../index.js";

/** A tab of the element: the part of the inbox that it lists. */
export interface Tab extends InboxFilter {
  label: string;
}

const PATTERN = /^[^*\s]+(\.\*)?$/; // a `*` only at the end, after a dot
const VALID: Record<string, RegExp> = {
  label: /./,
  type: PATTERN,
  topic: PATTERN,
  priority: /^(low|normal|high)$/,
};

/** Parses the attribute `tabs`. A mistake is reported on the console, and then there are no tabs. */
export function parseTabs(text: string | null): Tab[] {
  try {
    const tabs: unknown = JSON.parse(text || "[]");
    if (!Array.isArray(tabs)) throw new TypeError("they are not a list");
    tabs.forEach(check);
    return tabs;
  } catch (error) {
    console.error("<bellhop-inbox> ignores its tabs:", error);
    return [];
  }
}

function check(tab: object, at: number): void {
  for (const [name, values] of Object.entries({ label: "", ...tab })) {
    const isValid = [values].flat().every((value) => typeof value === "string" && VALID[name]?.test(value));
    if (!isValid) throw new TypeError(`tab ${at + 1}: ${name} cannot be ${JSON.stringify(values)}`);
  }
}

/**
 * Reports whether a filter selects a notification; undefined if only the service
 * knows, since a notification to several topics is sent with one of them.
 */
export function matches({ type, topic, priority }: InboxFilter, notification: Pick<Notification, "type" | "priority" | "topic">): boolean | undefined {
  if (!isAny(type, notification.type) || !isAny(priority, notification.priority)) return false;
  return isAny(topic, notification.topic) || (notification.topic ? undefined : false);
}

function isAny(wanted: string | string[] | undefined, value = ""): boolean {
  const all = [wanted ?? []].flat();
  return !all.length || all.some((one) => (one.endsWith(".*") ? value.startsWith(one.slice(0, -1)) : value === one));
}
