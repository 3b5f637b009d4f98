import { describe, expect, it } from "vitest";
import { browser, FakeSocket, goes, happens, live, open, opened, pass, settled, socket, told, tokens, welcome } from "./stage.js";

/** Two tabs, the first of which leads. */
async function two(first = {}, second = {}) {
  const a = await open(first);
  await socket().hears(welcome("c1"), live("c2", 4));
  const b = await open(second);
  return { a, b };
}

describe("tabs of a browser", () => {
  it("share one connection", async () => {
    const { a, b } = await two();
    expect(FakeSocket.all.length).toBe(1);
    expect([b.bell.state, b.bell.unreadCount]).toEqual(["open", 4]);
    expect(b.heard.live).toEqual([{ unread_count: 4 }]);
    await socket().hears(told("n", "c3"), { event: "inbox", cursor: "c4", data: { read: ["n"], unread_count: 4 } });
    for (const tab of [a, b]) {
      expect(tab.ids()).toEqual(["n"]);
      expect(tab.heard.inbox).toEqual([{ read: ["n"], unread_count: 4 }]);
      expect(tab.bell.unreadCount).toBe(4);
    }
  });

  it("have connections of their own where they are another user's or another service's", async () => {
    await open();
    await open({ token: tokens("grace").token });
    await open({ url: "https://other.test" });
    await open({ share: false });
    await pass(6_000);
    expect(opened().length).toBe(4);
  });

  for (const api of ["locks", "BroadcastChannel"]) {
    it(`have connections of their own in a browser without ${api}`, async () => {
      if (api === "locks") delete (navigator as { locks?: unknown }).locks;
      else delete (globalThis as { BroadcastChannel?: unknown }).BroadcastChannel;
      await open();
      await open();
      expect(opened().length).toBe(2);
    });
  }

  it("follow the next when the leader goes, which resumes where it stands", async () => {
    const { a, b } = await two();
    const c = await open();
    await socket().hears(told("n", "c3"));
    a.bell.close();
    await settled();
    expect(opened().length).toBe(1);
    expect(socket().cursor).toBe("c3");
    expect([b.bell.state, c.bell.state]).toEqual(["connecting", "connecting"]);
    await socket().hears(welcome("c3"), told("n", "c3"), told("o", "c4"), live("c4"));
    expect([b.ids(), c.ids()]).toEqual([["n", "o"], ["n", "o"]]);
    expect(c.bell.state).toBe("open");
    expect(FakeSocket.all.length).toBe(2);
  });

  it("hear the state of the connection", async () => {
    const { a, b } = await two();
    await socket().ends(1012, "restart window=20");
    expect(b.heard.state!.at(-1)).toEqual(a.heard.state!.at(-1));
    expect(b.heard.close).toEqual(a.heard.close);
    await goes(false);
    await pass(10_000);
    expect([a.bell.state, b.bell.state]).toEqual(["offline", "offline"]);
    await goes(true);
    await socket().hears(welcome("c2"), live("c2"));
    expect([a.bell.state, b.bell.state]).toEqual(["open", "open"]);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("are told apart only by where they stand: one with an older cursor catches up by itself", async () => {
    const { a, b } = await two({}, { cursor: "c0" });
    expect(opened().length).toBe(2);
    const [leaders, own] = opened() as [FakeSocket, FakeSocket];
    expect(own.cursor).toBe("c0");
    await own.hears(welcome("c0"), told("old", "c1"));
    await leaders.hears(told("new", "c3"), told("newer", "c4"));
    expect(b.ids()).toEqual(["old"]);
    await own.hears(told("new", "c3"), live("c9", 6));
    expect(b.ids()).toEqual(["old", "new", "newer"]);
    expect(opened()).toEqual([leaders]);
    expect(a.ids()).toEqual(["new", "newer"]);
    expect(b.bell.unreadCount).toBe(a.bell.unreadCount);

    await leaders.ends(1006); // and now they stand together
    await pass(250);
    await socket().hears(welcome("c4"), live("c4"));
    expect(opened().length).toBe(1);
  });

  it("that catch up go on as the leader when it goes", async () => {
    const { a, b } = await two({}, { cursor: "c0" });
    await socket().hears(welcome("c0"), told("old", "c1"));
    a.bell.close();
    await settled();
    expect(opened().length).toBe(1);
    expect(socket().cursor).toBe("c1");
    await socket().hears(welcome("c1"), told("new", "c2"), live("c2"));
    expect(b.ids()).toEqual(["old", "new"]);
  });

  it("that stand where the leader stands need not catch up", async () => {
    await two({}, { cursor: "c2" });
    expect(FakeSocket.all.length).toBe(1);
  });

  it("that join while it catches up hear the rest", async () => {
    await open({ cursor: "c0" });
    await socket().hears(welcome("c0"), told("a", "c1"));
    const b = await open();
    expect([b.bell.state, b.heard.live]).toEqual(["open", []]);
    await socket().hears(told("b", "c2"), live("c2", 2));
    expect([b.ids(), b.bell.unreadCount]).toEqual([["b"], 2]);
  });

  it("forget together what a reset makes them forget", async () => {
    const { b } = await two();
    await socket().hears(told("n", "c3"));
    await socket().ends(1006);
    await pass(250);
    await socket().hears(welcome("d0"), { event: "reset", cursor: "d0", data: { reason: "unknown" } }, told("n", "d1"), live("d1"));
    expect(b.heard.reset).toEqual([{ reason: "unknown" }]);
    expect(b.ids()).toEqual(["n", "n"]);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("take the lead from one that is asleep", async () => {
    const { a, b } = await two();
    // A device put a to sleep: it keeps its lock and hears nothing.
    const channel = [...(BroadcastChannel as any).all][0];
    const awake = channel.onmessage;
    channel.onmessage = () => {};
    await pass(60_000);
    expect(FakeSocket.all.length).toBe(1);
    await happens("visibilitychange");
    await pass(5_000);
    channel.onmessage = awake;
    await settled();
    expect(socket().cursor).toBe("c2");
    expect(opened().length).toBe(1);
    await socket().hears(welcome("c2"), told("n", "c3"), live("c3"));
    await settled();
    expect([a.ids(), b.ids()]).toEqual([["n"], ["n"]]);
    b.bell.close();
    await settled();
    expect(socket().cursor).toBe("c3"); // a leads again
  });

  it("wake the leader when they are looked at", async () => {
    const { b } = await two();
    await socket().ends(1006);
    expect(b.bell.state).toBe("waiting");
    await happens("visibilitychange");
    expect(FakeSocket.all.length).toBe(2);
  });

  it("open what was closed for good, also by coming new", async () => {
    const { b } = await two();
    await socket().ends(4403, "token-revoked");
    expect(b.bell.state).toBe("closed");
    b.bell.open();
    await settled();
    expect(FakeSocket.all.length).toBe(2);
    await socket().hears(welcome("c2"), live("c2"));
    await socket().ends(4403, "token-revoked");
    await open();
    expect(FakeSocket.all.length).toBe(3);
  });

  it("keep the cursor for the next page", async () => {
    const { a, b } = await two({ storage: browser.storage }, { storage: browser.storage });
    await socket().hears(told("n", "c3"));
    a.bell.close();
    b.bell.close();
    await settled();
    await open({ storage: browser.storage });
    expect(socket().cursor).toBe("c3");
  });
});
