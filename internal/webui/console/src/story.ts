// The story of a notification, in sentences.

import { moment, plural } from "./format.js";
import type { Fate, Trace, UserTrace } from "./types.js";

/** A sentence. id, if there is one, is of the notification that it ends with; at is its time. */
export type Sentence = { at?: string | undefined; text: string; id?: string | undefined; kind: "good" | "bad" | "plain" };

const REASONS: Record<string, string> = {
  retention: "it was older than the retention, or the store was full",
  "history-full": "the history was full",
  except: "the publisher left this user out",
  preferences: "the user's preferences hide it",
};

/** Returns what happened to a notification, in order. */
export function story(trace: Trace): Sentence[] {
  const { notification: n, published_by: by, deliver_at: at } = trace;
  const all: Sentence[] = [{ at: at ? undefined : n.time, text: `Published${by ? ` by ${by}` : ""} to ${audience(trace)}.`, kind: "plain" }];
  if (trace.state === "deferred") all.push({ at: at ?? n.time, text: "Will be delivered then.", kind: "plain" });
  else if (at) all.push({ at, text: "Delivered then, as its publisher asked.", kind: "plain" });
  if (n.replaces) all.push({ text: "It replaced ", id: n.replaces, kind: "plain" });
  if (n.expires_at && trace.state === "kept") all.push({ at: n.expires_at, text: "Will expire.", kind: "plain" });
  return [...all, fate(trace, "every inbox")];
}

function audience({ notification: { audience }, topics, recipients }: Trace): string {
  if (topics?.length) return `${topics.length === 1 ? "topic" : "topics"} ${topics.join(", ")}`;
  if (audience === "all") return "everyone";
  return recipients === undefined ? "users" : plural(recipients, "user");
}

/** Returns what became of a notification, in all inboxes or in one. */
export function fate({ state, reason, removed_at: at, replaced_by: id }: Fate, where: string): Sentence {
  const why = reason ? ` because ${REASONS[reason] ?? reason}` : "";
  switch (state) {
    case "kept":
      return { text: where === "every inbox" ? "It is kept." : "It is in the inbox.", kind: "good" };
    case "deferred":
      return { text: "It is not delivered yet.", kind: "plain" };
    case "muted":
      return { text: `It is not shown${why}.`, kind: "bad" };
    case "replaced":
      return { at, text: `It left ${where}, replaced by `, id, kind: "bad" };
    case "recalled":
      return { at, text: `It was recalled from ${where}.`, kind: "bad" };
    default: // expired, evicted
      return { at, text: `It left ${where}: ${state}${why}.`, kind: "bad" };
  }
}

/** Returns what happened to a notification for one user, in order. */
export function storyOf(user: UserTrace): Sentence[] {
  const steps: [string | undefined, string][] = [[user.delivered_at, "Delivered to a device."], [user.seen_at, "Seen."], [user.read_at, "Read."], [user.archived_at, "Archived."]];
  const all: Sentence[] = steps.filter(([at]) => at).map(([at, text]) => ({ at, text, kind: "good" }));
  const { rule, member_of: topics } = user;
  if (topics) all.push({ text: topics.length ? `Has it as a member of ${topics.join(", ")}.` : "No member of its topics: it is in the inbox only with a token that names one.", kind: "plain" });
  if (rule) {
    const of = [rule.type && `type ${rule.type}`, rule.topic && `topic ${rule.topic}`].filter(Boolean).join(" and ") || "everything";
    all.push({ text: `Rule ${rule.number} of the preferences applies: ${of} is ${rule.level}.`, kind: rule.level === "off" ? "bad" : "plain" });
  }
  all.push(fate(user, "the inbox"));
  if (user.connections !== undefined) all.push({ text: user.connections ? `${plural(user.connections, "connection")} open now${user.connected_since ? `, since ${moment(user.connected_since)}` : ""}.` : "No connection is open now.", kind: "plain" });
  return all;
}
