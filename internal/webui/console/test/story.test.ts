import { expect, it } from "vitest";
import { fate, story, storyOf } from "../src/story.js";
import type { Trace } from "../src/types.js";

const TIME = "2026-12-01T09:00:00.000Z";
const LATER = "2026-12-01T10:00:00.000Z";
const trace = (more: Partial<Trace> = {}): Trace => ({ notification: { id: "1", time: TIME, audience: "user" }, state: "kept", users: [], ...more });
const texts = (all: { text: string; id?: string | undefined }[]) => all.map(({ text, id }) => text + (id ?? ""));

it("says who published it, and to whom", () => {
  expect(texts(story(trace({ published_by: "key:backend", recipients: 2 })))).toEqual(["Published by key:backend to 2 users.", "It is kept."]);
  expect(texts(story(trace({ topics: ["a", "b"] })))[0]).toBe("Published to topics a, b.");
  expect(texts(story(trace({ notification: { id: "1", time: TIME, audience: "all" } })))[0]).toBe("Published to everyone.");
});

it("says when a deferred one will be delivered, and when it was", () => {
  expect(story(trace({ state: "deferred", deliver_at: LATER })).map(({ at }) => at)).toEqual([undefined, LATER, undefined]);
  expect(texts(story(trace({ deliver_at: LATER })))[1]).toBe("Delivered then, as its publisher asked.");
});

it("says what it replaced, and when it will expire", () => {
  const notification = { id: "1", time: TIME, audience: "user", replaces: "0", expires_at: LATER };
  expect(texts(story(trace({ notification })))).toEqual(["Published to users.", "It replaced 0", "Will expire.", "It is kept."]);
});

it.each([
  [{ state: "replaced", removed_at: LATER, replaced_by: "2" }, "It left the inbox, replaced by 2"],
  [{ state: "recalled", removed_at: LATER }, "It was recalled from the inbox."],
  [{ state: "expired", removed_at: LATER }, "It left the inbox: expired."],
  [{ state: "evicted", reason: "history-full" }, "It left the inbox: evicted because the history was full."],
  [{ state: "muted", reason: "except" }, "It is not shown because the publisher left this user out."],
  [{ state: "muted", reason: "preferences" }, "It is not shown because the user's preferences hide it."],
  [{ state: "evicted", reason: "unheard of" }, "It left the inbox: evicted because unheard of."],
])("says why it left: %j", (end, want) => {
  expect(texts([fate(end, "the inbox")])[0]).toBe(want);
});

it("says what happened for a user, in order", () => {
  const user = { user: "ada", state: "kept", delivered_at: TIME, seen_at: LATER, read_at: LATER, connections: 0, rule: { number: 1, type: "a.*", topic: "b", level: "off" } };
  expect(texts(storyOf(user))).toEqual([
    "Delivered to a device.", "Seen.", "Read.", "Rule 1 of the preferences applies: type a.* and topic b is off.", "It is in the inbox.", "No connection is open now.",
  ]);
  expect(texts(storyOf({ user: "eve", state: "kept", connections: 2, rule: { number: 3, level: "alert" } }))).toContain("Rule 3 of the preferences applies: everything is alert.");
  expect(texts(storyOf({ user: "eve", state: "kept", member_of: ["a", "b"] }))[0]).toBe("Has it as a member of a, b.");
  expect(texts(storyOf({ user: "eve", state: "kept", member_of: [] }))[0]).toMatch(/^No member of its topics/);
  expect(texts(storyOf({ user: "eve", state: "kept" }))).toEqual(["It is in the inbox."]); // unknown connections
});
