import { describe, expect, it } from "vitest";
import { browser, FakeChannel, type FakeLocks, FakeSocket, setOnline, dispatch, jwt, live, open, opened, advance, settle, socket, notification, tokens, welcome } from "./fakes.js";

/** Suspends the tab with this index: it keeps its lock, and its messages are queued. Returns a function that resumes it. */
function suspend(nth: number) {
  const channel = [...FakeChannel.all][nth]!;
  const handler = channel.onmessage;
  const missed: { data: unknown }[] = [];
  channel.onmessage = (event) => missed.push(event);
  return async () => {
    channel.onmessage = handler;
    missed.forEach(handler);
    await settle();
  };
}

/** Hides the tab with this index: it is hidden whenever it handles a message. */
function hide(nth: number) {
  const channel = [...FakeChannel.all][nth]!;
  const handler = channel.onmessage;
  channel.onmessage = (event) => {
    browser.visibilityState = "hidden";
    handler(event);
    browser.visibilityState = "visible";
  };
}

/** Opens two tabs, of which the first is the leader. */
async function twoTabs(first = {}, second = {}) {
  const a = await open(first);
  await socket().receives(welcome("c1"), live("c2", 4));
  const b = await open(second);
  return { a, b };
}

describe("tabs of a browser", () => {
  it("share one connection", async () => {
    const { a, b } = await twoTabs();
    expect(FakeSocket.all.length).toBe(1);
    expect([b.bell.state, b.bell.unreadCount]).toEqual(["open", 4]);
    expect(b.received.live).toEqual([{ unread_count: 4 }]);
    await socket().receives(notification("n", "c3"), { event: "inbox", cursor: "c4", data: { read: ["n"], unread_count: 4 } });
    for (const tab of [a, b]) {
      expect(tab.ids()).toEqual(["n"]);
      expect(tab.received.inbox).toEqual([{ read: ["n"], unread_count: 4 }]);
      expect(tab.bell.unreadCount).toBe(4);
    }
  });

  it("do not share a connection between users or services", async () => {
    await open();
    await open({ token: tokens("grace").token });
    await open({ url: "https://other.test" });
    await open({ share: false });
    await advance(6_000);
    expect(opened().length).toBe(4);
  });

  for (const api of ["locks", "BroadcastChannel"]) {
    it(`do not share a connection without ${api}`, async () => {
      if (api === "locks") delete (navigator as { locks?: unknown }).locks;
      else delete (globalThis as { BroadcastChannel?: unknown }).BroadcastChannel;
      await open();
      await open();
      expect(opened().length).toBe(2);
    });
  }

  for (const feature of ["locks", "BroadcastChannel", "postMessage"]) {
    it(`permanently stop sharing if ${feature} is refused`, async () => {
      browser.refused.add(feature);
      const a = await open();
      const b = await open();
      expect(opened().length).toBe(2);
      for (const one of [...opened()]) await one.receives(welcome("c1"), live("c2"), notification("n", "c3"));
      expect([a.ids(), b.ids(), a.bell.state, b.bell.state]).toEqual([["n"], ["n"], "open", "open"]);
      await advance(120_000);
      await dispatch("visibilitychange");
      expect(FakeSocket.all.length).toBe(2);
      expect((navigator.locks as unknown as FakeLocks).requests).toBeLessThan(10);
    });
  }

  it("stop sharing if their messages do not arrive, and stop stealing the lock", async () => {
    browser.refused.add("delivery");
    const tabs = [await open(), await open()];
    for (let spent = 0; spent < 300_000; spent += 5_000) {
      for (const one of opened()) await one.receives(welcome("c1"), live("c2"));
      await advance(5_000);
    }
    expect(tabs.map(({ bell }) => bell.state)).toEqual(["open", "open"]);
    expect(FakeSocket.all.length).toBe(3); // the first tab lost the lock once
  });

  it("stop sharing when messages are refused later", async () => {
    const { a, b } = await twoTabs();
    browser.refused.add("postMessage");
    await socket().receives(notification("n", "c3"));
    await dispatch("visibilitychange");
    expect(opened().length).toBe(2);
    await socket().receives(welcome("c2"), notification("n", "c3"), live("c3"));
    expect([a.ids(), b.ids()]).toEqual([["n"], ["n"]]);
  });

  it("follow the next leader when the leader closes, and it resumes from its own cursor", async () => {
    const { a, b } = await twoTabs();
    const c = await open();
    await socket().receives(notification("n", "c3"));
    a.bell.close();
    await settle();
    expect(opened().length).toBe(1);
    expect(socket().cursor).toBe("c3");
    expect([b.bell.state, c.bell.state]).toEqual(["connecting", "connecting"]);
    await socket().receives(welcome("c3"), notification("n", "c3"), notification("o", "c4"), live("c4"));
    expect([b.ids(), c.ids()]).toEqual([["n", "o"], ["n", "o"]]);
    expect(c.bell.state).toBe("open");
    expect(FakeSocket.all.length).toBe(2);
  });

  it("receive the state of the connection", async () => {
    const { a, b } = await twoTabs();
    await socket().closes(1012, "restart window=20");
    expect(b.received.state!.at(-1)).toEqual(a.received.state!.at(-1));
    expect(b.received.close).toEqual(a.received.close);
    await setOnline(false);
    await advance(10_000);
    expect([a.bell.state, b.bell.state]).toEqual(["offline", "offline"]);
    await setOnline(true);
    await socket().receives(welcome("c2"), live("c2"));
    expect([a.bell.state, b.bell.state]).toEqual(["open", "open"]);
    expect(opened().length).toBe(1);
  });

  it("with an older cursor catch up on a connection of their own", async () => {
    const { a, b } = await twoTabs({}, { cursor: "c0" });
    expect(opened().length).toBe(2);
    const [leaders, own] = opened() as [FakeSocket, FakeSocket];
    expect(own.cursor).toBe("c0");
    await own.receives(welcome("c0"), notification("old", "c1"));
    await leaders.receives(notification("new", "c3"), notification("newer", "c4"));
    expect(b.ids()).toEqual(["old"]);
    await own.receives(notification("new", "c3"), live("c9", 6));
    expect(b.ids()).toEqual(["old", "new", "newer"]);
    expect(opened()).toEqual([leaders]);
    expect(a.ids()).toEqual(["new", "newer"]);
    expect(b.bell.unreadCount).toBe(a.bell.unreadCount);

    await leaders.closes(1006); // both tabs have the same cursor now
    await advance(250);
    await socket().receives(welcome("c4"), live("c4"));
    expect(opened().length).toBe(1);
  });

  it("become the leader while catching up, if the leader closes", async () => {
    const { a, b } = await twoTabs({}, { cursor: "c0" });
    await socket().receives(welcome("c0"), notification("old", "c1"));
    a.bell.close();
    await settle();
    expect(opened().length).toBe(1);
    expect(socket().cursor).toBe("c1");
    await socket().receives(welcome("c1"), notification("new", "c2"), live("c2"));
    expect(b.ids()).toEqual(["old", "new"]);
  });

  it("with the leader's cursor do not catch up", async () => {
    await twoTabs({}, { cursor: "c2" });
    expect(FakeSocket.all.length).toBe(1);
  });

  it("that join while the leader catches up receive the rest", async () => {
    await open({ cursor: "c0" });
    await socket().receives(welcome("c0"), notification("a", "c1"));
    const b = await open();
    expect([b.bell.state, b.received.live]).toEqual(["open", []]);
    await socket().receives(notification("b", "c2"), live("c2", 2));
    expect([b.ids(), b.bell.unreadCount]).toEqual([["b"], 2]);
  });

  it("all process a reset", async () => {
    const { b } = await twoTabs();
    await socket().receives(notification("n", "c3"));
    await socket().closes(1006);
    await advance(250);
    await socket().receives(welcome("d0"), { event: "reset", cursor: "d0", data: { reason: "unknown" } }, notification("n", "d1"), live("d1"));
    expect(b.received.reset).toEqual([{ reason: "unknown" }]);
    expect(b.ids()).toEqual(["n", "n"]);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("replace a suspended leader, by their own clock", async () => {
    const { a, b } = await twoTabs();
    const resume = suspend(0);
    await advance(19_000);
    expect(FakeSocket.all.length).toBe(1);
    await advance(6_000);
    expect([FakeSocket.all.length, socket().cursor]).toEqual([2, "c2"]);
    await socket().receives(welcome("c2"), notification("n", "c3"), live("c3"));
    expect([b.bell.state, b.ids()]).toEqual(["open", ["n"]]);

    await resume();
    expect(opened().length).toBe(1);
    expect(a.ids()).toEqual(["n"]); // from b, or by catching up
    b.bell.close();
    await settle();
    expect(socket().cursor).toBe("c3"); // a leads again
  });

  it("ignore a suspended leader that has not noticed the loss of its lock", async () => {
    const { a, b } = await twoTabs({}, { storage: browser.storage });
    const old = socket();
    const resume = suspend(0);
    (navigator.locks as unknown as FakeLocks).announcesSteals = false; // a's lock request is not rejected
    await advance(25_000);
    await socket().receives(welcome("c2"), notification("n", "c3"), notification("o", "c4"), live("c4"));
    await old.receives(notification("n", "c3"));
    expect(browser.storage.items.get("bellhop/1 https://bell.test/base/ ada cursor")).toBe("c4");
    expect(b.ids()).toEqual(["n", "o"]);
    await resume(); // a receives the announcement of the new leader
    expect(old.open).toBe(false);
    await socket().receives(welcome("c3"), notification("o", "c4"), live("c4")); // a catches up
    expect([a.ids(), opened().length]).toEqual([["n", "o"], 1]);
  });

  it("emit each state once, however often the leader repeats it", async () => {
    const { b } = await twoTabs();
    await advance(120_000);
    expect(b.received.state!.map(({ state }) => state)).toEqual(["open"]);
  });

  it("do not replace a leader that answers", async () => {
    await twoTabs();
    await advance(600_000);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("that are visible replace a hidden leader", async () => {
    const { b } = await twoTabs();
    hide(0);
    await dispatch("visibilitychange");
    expect(FakeSocket.all.length).toBe(1);
    await advance(5_000);
    expect(opened().length).toBe(1);
    expect([FakeSocket.all.length, socket().cursor]).toEqual([2, "c2"]);
    await socket().receives(welcome("c2"), live("c2"));
    expect(b.bell.state).toBe("open");
    await advance(600_000);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("end the leader's wait when they become visible", async () => {
    const { b } = await twoTabs();
    await socket().closes(1006);
    expect(b.bell.state).toBe("waiting");
    await dispatch("visibilitychange");
    expect(FakeSocket.all.length).toBe(2);
  });

  it("reopen a closed connection by open(), or by joining", async () => {
    const { b } = await twoTabs();
    await socket().closes(4409, "replaced");
    expect(b.bell.state).toBe("closed");
    b.bell.open();
    await settle();
    expect(FakeSocket.all.length).toBe(2);
    await socket().receives(welcome("c2"), live("c2"));
    await socket().closes(4409, "replaced");
    await open();
    expect(FakeSocket.all.length).toBe(3);
  });

  it("store the cursor for the next page", async () => {
    const { a, b } = await twoTabs({ storage: browser.storage }, { storage: browser.storage });
    await socket().receives(notification("n", "c3"));
    a.bell.close();
    b.bell.close();
    await settle();
    await open({ storage: browser.storage });
    expect(socket().cursor).toBe("c3");
  });
});

// Faults of token() in the leader from its second call on, and the leader's final state.
const tokenFaults: Record<string, { second(): unknown; leader: string }> = {
  "is null": { second: () => null, leader: "closed" },
  "is another user's": { second: () => jwt({ sub: "grace" }), leader: "closed" },
  throws: { second: () => Promise.reject(new Error("down")), leader: "open" },
  "never comes": { second: () => new Promise(() => {}), leader: "open" },
  "is an error page": { second: () => "<!doctype html><title>502</title>", leader: "open" },
};

describe("a leader", () => {
  for (const [what, { second, leader }] of Object.entries(tokenFaults)) {
    it(`whose token ${what} releases the lock`, async () => {
      let calls = 0;
      const { a, b } = await twoTabs({ token: () => (calls++ ? second() : jwt({ sub: "ada" })) as string });
      await socket().closes(4401, "token-expired");
      await advance(44_000);
      expect(opened().length).toBe(1);
      await socket().receives(welcome("c2"), notification("n", "c3"), live("c3"));
      expect([b.bell.state, b.ids(), a.bell.state]).toEqual(["open", ["n"], leader]);
      const c = await open();
      expect(c.bell.state).toBe("open");
      await advance(120_000);
      expect(opened().length).toBe(1);
    });
  }

  it("whose user has logged out follows again after a login", async () => {
    let calls = 0;
    const { a } = await twoTabs({ token: () => (calls++ === 1 ? null : jwt({ sub: "ada" })) });
    await socket().closes(4401, "token-expired");
    await advance(1_000);
    expect(a.bell.state).toBe("closed");
    await socket().receives(welcome("c2"), live("c2"));
    a.bell.open();
    await settle();
    expect([a.bell.state, opened().length]).toEqual(["open", 1]);
  });

  it("whose token was revoked lets each other tab try its own token once", async () => {
    const { a, b } = await twoTabs();
    const c = await open();
    for (let refused = 1; refused <= 3; refused++) {
      expect(FakeSocket.all.length).toBe(refused);
      await socket().receives(welcome("c2"), live("c2"));
      await socket().closes(4403, "token-revoked");
    }
    expect([a, b, c].map(({ bell }) => bell.state)).toEqual(["closed", "closed", "closed"]);
    await advance(600_000);
    expect(FakeSocket.all.length).toBe(3);
  });

  it("whose connections keep ending immediately releases the lock", async () => {
    await twoTabs();
    const leaders = () => new Set(browser.messages.filter(({ leads }) => leads).map(({ by }) => by)).size;
    for (let spent = 0; spent < 29_000; spent += 1_000) {
      for (const one of opened()) {
        await one.receives(welcome("c2"), live("c2"));
        await one.closes(1011);
      }
      await advance(1_000);
    }
    expect(leaders()).toBe(1);
    await advance(16_000);
    expect(leaders()).toBe(2);
  });

  it("waits as long as the service has set", async () => {
    await twoTabs();
    browser.fetch.mockImplementation(async () => new Response(null, { status: 503, headers: { "Retry-After": "120" } }));
    await socket().closes(1006);
    await advance(250);
    await socket().closes(1006);
    const before = FakeSocket.all.length;
    await advance(119_000);
    expect(FakeSocket.all.length).toBe(before);
  });

  it("without other tabs remains the leader", async () => {
    let calls = 0;
    const { bell } = await open({ token: () => (calls++ ? jwt({ sub: "ada" }) : new Promise<string>(() => {})) });
    await advance(31_000);
    await socket().receives(welcome("c1"), live("c2"));
    expect(bell.state).toBe("open");
  });
});
