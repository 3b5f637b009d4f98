// Answers about the user ada and a notification, for tests of the console.

export const ID = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10";
export const NEWER = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c11";

const at = (minutes) => new Date(Date.UTC(2026, 10, 27, 9, minutes)).toISOString();

export const notification = (more = {}) => ({ id: ID, type: "comment.created", title: "Grace commented", body: "“Lovely.”", data: { issue: 42 }, priority: "high", time: at(0), audience: "user", url: "/drafts/7", ...more });

const trace = {
  notification: notification(), published_by: "key:backend", recipients: 3, state: "kept",
  users: [
    { user: "ada", state: "kept", delivered_at: at(1), seen_at: at(2), read_at: at(3), rule: { number: 2, level: "alert" }, connections: 2, connected_since: at(0) },
    { user: "eve", state: "replaced", removed_at: at(5), replaced_by: NEWER, connections: 0 },
    { user: "bob", state: "muted", reason: "preferences", rule: { number: 1, type: "comment.*", level: "off" }, connections: 0 },
  ],
};

/** The answers, by method and path. */
export const ada = () => ({
  "GET users/ada/connections": { connections: [
    { connection: ID, transport: "websocket", node: "a", since: at(0), address: "192.0.2.7" },
    { connection: NEWER, transport: "events", node: "b", since: at(1) },
  ] },
  "GET users/ada/topics": { topics: ["discussion.7", "news"] },
  "GET users/ada/preferences": { rules: [{ type: "comment.*", topic: "project.7", level: "off" }, { level: "alert" }], quiet: { from: "22:00", to: "07:00", zone: "Europe/Berlin" } },
  "GET users/ada/inbox": (path) => {
    const query = new URLSearchParams(path.split("?")[1]);
    const counts = { unread_count: 2, unseen_count: 1, cursor: "c" };
    if (query.get("state") === "archived") return { ...counts, items: [notification({ title: "Archived", archived_at: at(4) })] };
    if (query.get("before") === "older") return { ...counts, items: [notification({ title: "Older", audience: "topic", topic: "news", read_at: at(3) })] };
    return { ...counts, items: [notification(), notification({ title: "Seen", priority: "normal", audience: "all", seen_at: at(2) })], next: "older" };
  },
  "GET users/ada/removed": (path) => {
    if (new URLSearchParams(path.split("?")[1]).get("before") === "older") return { items: [{ notification: { id: ID, type: "news.posted", time: at(0), audience: "all" }, state: "recalled", removed_at: at(2) }] };
    return {
      items: [
        { notification: notification({ title: "Replaced" }), state: "replaced", removed_at: at(5), replaced_by: NEWER, read_at: at(3) },
        { notification: { id: NEWER, type: "build.failed", time: at(1), audience: "user" }, state: "evicted", reason: "history-full", removed_at: at(4) },
      ],
      next: "older", searched_to: at(1),
    };
  },
  [`GET notifications/${ID}`]: (path) => {
    const user = new URLSearchParams(path.split("?")[1]).get("user");
    return user ? { ...trace, users: trace.users.filter((one) => one.user === user) } : trace;
  },
  "GET log-user": { user: "ada", hash: "h4sh" },
});

/** An audit line. */
export const lineAt = (n, more = {}) => ({
  time: new Date(Date.UTC(2026, 10, 27, 9, 0, 0, n)).toISOString(), level: "INFO", message: "action carried out",
  action: "recall", outcome: "done", principal: "user:operator", target: ID, request: NEWER, ...more,
});
