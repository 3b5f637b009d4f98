import { describe, expect, it } from "vitest";
import { browser, FakeChannel, type FakeLocks, FakeSocket, goes, happens, jwt, live, open, opened, pass, settled, socket, told, tokens, welcome } from "./stage.js";

/** Puts the tab to sleep that came so manieth: it keeps its lock, and hears only later. Returns what wakes it up. */
function sleep(nth: number) {
  const channel = [...FakeChannel.all][nth]!;
  const awake = channel.onmessage;
  const missed: { data: unknown }[] = [];
  channel.onmessage = (event) => missed.push(event);
  return async () => {
    channel.onmessage = awake;
    missed.forEach(awake);
    await settled();
  };
}

/** Hides that tab: what it says, it says while it is hidden. */
function hide(nth: number) {
  const channel = [...FakeChannel.all][nth]!;
  const hear = channel.onmessage;
  channel.onmessage = (event) => {
    browser.visibilityState = "hidden";
    hear(event);
    browser.visibilityState = "visible";
  };
}

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

  for (const feature of ["locks", "BroadcastChannel", "postMessage"]) {
    it(`have connections of their own where ${feature} is refused, at once and for good`, async () => {
      browser.refused.add(feature);
      const a = await open();
      const b = await open();
      expect(opened().length).toBe(2);
      for (const one of [...opened()]) await one.hears(welcome("c1"), live("c2"), told("n", "c3"));
      expect([a.ids(), b.ids(), a.bell.state, b.bell.state]).toEqual([["n"], ["n"], "open", "open"]);
      await pass(120_000);
      await happens("visibilitychange");
      expect(FakeSocket.all.length).toBe(2);
      expect((navigator.locks as unknown as FakeLocks).requests).toBeLessThan(10);
    });
  }

  it("have connections of their own where they cannot hear each other, and let each other be", async () => {
    browser.refused.add("delivery");
    const tabs = [await open(), await open()];
    for (let spent = 0; spent < 300_000; spent += 5_000) {
      for (const one of opened()) await one.hears(welcome("c1"), live("c2"));
      await pass(5_000);
    }
    expect(tabs.map(({ bell }) => bell.state)).toEqual(["open", "open"]);
    expect(FakeSocket.all.length).toBe(3); // the first tab lost the lead once
  });

  it("have connections of their own from when sharing is refused on", async () => {
    const { a, b } = await two();
    browser.refused.add("postMessage");
    await socket().hears(told("n", "c3"));
    await happens("visibilitychange");
    expect(opened().length).toBe(2);
    await socket().hears(welcome("c2"), told("n", "c3"), live("c3"));
    expect([a.ids(), b.ids()]).toEqual([["n"], ["n"]]);
  });

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
    expect(opened().length).toBe(1);
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

  it("take the lead from one that is asleep, by their own clock", async () => {
    const { a, b } = await two();
    const wakeUp = sleep(0);
    await pass(19_000);
    expect(FakeSocket.all.length).toBe(1);
    await pass(6_000);
    expect([FakeSocket.all.length, socket().cursor]).toEqual([2, "c2"]);
    await socket().hears(welcome("c2"), told("n", "c3"), live("c3"));
    expect([b.bell.state, b.ids()]).toEqual(["open", ["n"]]);

    await wakeUp();
    expect(opened().length).toBe(1);
    expect(a.ids()).toEqual(["n"]); // heard from b, or caught up
    b.bell.close();
    await settled();
    expect(socket().cursor).toBe("c3"); // a leads again
  });

  it("do not listen to one that was asleep and does not know yet that it leads no more", async () => {
    const { a, b } = await two({}, { storage: browser.storage });
    const old = socket();
    const wakeUp = sleep(0);
    (navigator.locks as unknown as FakeLocks).tellStolen = false; // a does not hear that its lock was taken
    await pass(25_000);
    await socket().hears(welcome("c2"), told("n", "c3"), told("o", "c4"), live("c4"));
    await old.hears(told("n", "c3"));
    expect(browser.storage.items.get("bellhop/1 https://bell.test/base/ ada cursor")).toBe("c4");
    expect(b.ids()).toEqual(["n", "o"]);
    await wakeUp(); // and hears the new leader's first word
    expect(old.open).toBe(false);
    await socket().hears(welcome("c3"), told("o", "c4"), live("c4")); // a catches up
    expect([a.ids(), opened().length]).toEqual([["n", "o"], 1]);
  });

  it("hear of a state once, however often they ask the leader for it", async () => {
    const { b } = await two();
    await pass(120_000);
    expect(b.heard.state!.map(({ state }) => state)).toEqual(["open"]);
  });

  it("leave a leader alone that answers", async () => {
    await two();
    await pass(600_000);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("that are seen lead before one that is hidden", async () => {
    const { b } = await two();
    hide(0);
    await happens("visibilitychange");
    expect(FakeSocket.all.length).toBe(1);
    await pass(5_000);
    expect(opened().length).toBe(1);
    expect([FakeSocket.all.length, socket().cursor]).toEqual([2, "c2"]);
    await socket().hears(welcome("c2"), live("c2"));
    expect(b.bell.state).toBe("open");
    await pass(600_000);
    expect(FakeSocket.all.length).toBe(2);
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
    await socket().ends(4409, "replaced");
    expect(b.bell.state).toBe("closed");
    b.bell.open();
    await settled();
    expect(FakeSocket.all.length).toBe(2);
    await socket().hears(welcome("c2"), live("c2"));
    await socket().ends(4409, "replaced");
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

// Faults of a leader's tokens from its second call on, and how the leader ends up.
const sicknesses: Record<string, { second(): unknown; leader: string }> = {
  "is null": { second: () => null, leader: "closed" },
  "is another user's": { second: () => jwt({ sub: "grace" }), leader: "closed" },
  throws: { second: () => Promise.reject(new Error("down")), leader: "open" },
  "never comes": { second: () => new Promise(() => {}), leader: "open" },
  "is a page": { second: () => "<!doctype html><title>502</title>", leader: "open" },
};

describe("a leader", () => {
  for (const [what, { second, leader }] of Object.entries(sicknesses)) {
    it(`whose token ${what} lets another tab lead`, async () => {
      let calls = 0;
      const { a, b } = await two({ token: () => (calls++ ? second() : jwt({ sub: "ada" })) as string });
      await socket().ends(4401, "token-expired");
      await pass(44_000);
      expect(opened().length).toBe(1);
      await socket().hears(welcome("c2"), told("n", "c3"), live("c3"));
      expect([b.bell.state, b.ids(), a.bell.state]).toEqual(["open", ["n"], leader]);
      const c = await open();
      expect(c.bell.state).toBe("open");
      await pass(120_000);
      expect(opened().length).toBe(1);
    });
  }

  it("that nobody is logged in for any more comes back after a login", async () => {
    let calls = 0;
    const { a } = await two({ token: () => (calls++ === 1 ? null : jwt({ sub: "ada" })) });
    await socket().ends(4401, "token-expired");
    await pass(1_000);
    expect(a.bell.state).toBe("closed");
    await socket().hears(welcome("c2"), live("c2"));
    a.bell.open();
    await settled();
    expect([a.bell.state, opened().length]).toEqual(["open", 1]);
  });

  it("whose login the service has ended lets the others try theirs, once each", async () => {
    const { a, b } = await two();
    const c = await open();
    for (let refused = 1; refused <= 3; refused++) {
      expect(FakeSocket.all.length).toBe(refused);
      await socket().hears(welcome("c2"), live("c2"));
      await socket().ends(4403, "token-revoked");
    }
    expect([a, b, c].map(({ bell }) => bell.state)).toEqual(["closed", "closed", "closed"]);
    await pass(600_000);
    expect(FakeSocket.all.length).toBe(3);
  });

  it("whose connections end at once, again and again, lets another tab try", async () => {
    await two();
    const leaders = () => new Set(browser.words.filter(({ leads }) => leads).map(({ by }) => by)).size;
    for (let spent = 0; spent < 29_000; spent += 1_000) {
      for (const one of opened()) {
        await one.hears(welcome("c2"), live("c2"));
        await one.ends(1011);
      }
      await pass(1_000);
    }
    expect(leaders()).toBe(1);
    await pass(16_000);
    expect(leaders()).toBe(2);
  });

  it("waits as long as the service says", async () => {
    await two();
    browser.fetch.mockImplementation(async () => new Response(null, { status: 503, headers: { "Retry-After": "120" } }));
    await socket().ends(1006);
    await pass(250);
    await socket().ends(1006);
    const before = FakeSocket.all.length;
    await pass(119_000);
    expect(FakeSocket.all.length).toBe(before);
  });

  it("without other tabs goes on by itself", async () => {
    let calls = 0;
    const { bell } = await open({ token: () => (calls++ ? jwt({ sub: "ada" }) : new Promise<string>(() => {})) });
    await pass(31_000);
    await socket().hears(welcome("c1"), live("c2"));
    expect(bell.state).toBe("open");
  });
});
