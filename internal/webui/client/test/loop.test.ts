import { describe, expect, it } from "vitest";
import type { Bell } from "../src/index.js";
import { browser, live, open, advance, settle, socket, notification, welcome } from "./fakes.js";

const openUnshared = (options = {}) => open({ share: false, ...options });
const storedCursor = () => browser.storage.items.get("bellhop/1 https://bell.test/base/ ada cursor");

async function collect(bell: Bell, got: string[]) {
  for await (const { id } of bell) got.push(id);
}

describe("for await", () => {
  it("yields each notification once, until close", async () => {
    const { bell } = await openUnshared();
    const got: string[] = [];
    const loop = (async () => {
      for await (const { id } of bell) got.push(id);
      got.push("end");
    })();
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"));
    await socket().closes(1006);
    await advance(250);
    await socket().receives(welcome("c3"), notification("b", "c3"), notification("c", "c4"));
    expect(got).toEqual(["a", "b", "c"]);
    bell.close();
    await loop;
    expect(got.at(-1)).toBe("end");
  });

  it("has handled a notification when it asks for the next", async () => {
    const { bell } = await openUnshared({ storage: browser.storage });
    let go = () => {};
    void (async () => {
      for await (const _ of bell) await new Promise<void>((resolve) => (go = resolve));
    })();
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"));
    expect(storedCursor()).toBe("c1");
    go();
    await settle();
    expect(storedCursor()).toBe("c2");
    go();
    await settle();
    expect(storedCursor()).toBe("c3");
  });

  const endings = {
    break: async (bell: Bell, got: string[]) => {
      for await (const { id } of bell) {
        got.push(id);
        break;
      }
    },
    throw: async (bell: Bell, got: string[]) => {
      try {
        for await (const { id } of bell) {
          got.push(id);
          throw new Error("cannot be processed");
        }
      } catch {
        // a page may ignore it
      }
    },
    return: async (bell: Bell, got: string[]) => {
      for await (const { id } of bell) return got.push(id);
      return undefined;
    },
  };

  for (const [how, first] of Object.entries(endings)) {
    for (const storage of [browser.storage, undefined]) {
      it(`that ends by ${how} is continued by the next loop after its last notification, ${storage ? "with" : "without"} storage`, async () => {
        const { bell } = await openUnshared({ storage: storage && browser.storage });
        const got: string[] = [];
        const ended = first(bell, got);
        await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"), notification("c", "c4"));
        await ended;
        await socket().receives(notification("d", "c5"));
        void collect(bell, got);
        await socket().receives(notification("e", "c6"));
        expect(got).toEqual(["a", "b", "c", "d", "e"]);
      });
    }

    it(`that ends by ${how} leaves its last notification and all later ones to the next page`, async () => {
      const { bell } = await openUnshared({ storage: browser.storage });
      const ended = first(bell, []);
      await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"), notification("c", "c4"), live("c5"));
      await ended;
      void collect(bell, []);
      await socket().receives(notification("d", "c6"));
      expect(storedCursor()).toBe("c1");
      bell.close();
      const got: string[] = [];
      const next = await openUnshared({ storage: browser.storage });
      void collect(next.bell, got);
      await settle();
      expect(socket().cursor).toBe("c1");
      await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"));
      expect([got, storedCursor()]).toEqual([["a", "b"], "c3"]);
    });
  }

  it("keeps the last 1,000 notifications for the next loop while no loop runs", async () => {
    const { bell } = await openUnshared();
    const ended = endings.break(bell, []);
    await socket().receives(welcome("c1"), notification("first", "c2"));
    await ended;
    for (let i = 0; i < 1_500; i++) await socket().receives(notification(`n${i}`, `d${i}`));
    const got: string[] = [];
    void collect(bell, got);
    await settle();
    expect([got.length, got[0], got.at(-1)]).toEqual([1_000, "n500", "n1499"]);
  });

  it("does not leave handled notifications to the next page", async () => {
    const { bell } = await openUnshared({ storage: browser.storage });
    const loop = (async () => {
      for await (const { id } of bell) if (id === "b") break;
    })();
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"), notification("c", "c4"));
    await loop;
    expect(storedCursor()).toBe("c2");
  });

  it("that ends while it waits has handled every notification", async () => {
    const { bell } = await openUnshared({ storage: browser.storage });
    const loop = bell[Symbol.asyncIterator]();
    const next = loop.next();
    await socket().receives(welcome("c1"), notification("a", "c2"));
    expect((await next).value!.id).toBe("a");
    const waits = loop.next();
    await settle();
    expect(storedCursor()).toBe("c2");
    bell.close();
    expect((await waits).done).toBe(true);
  });

  it("does not wait for other loops, and the cursor waits for the slowest", async () => {
    const { bell } = await openUnshared({ storage: browser.storage });
    const [fast, slow]: [string[], string[]] = [[], []];
    let go = () => {};
    void collect(bell, fast);
    void (async () => {
      for await (const { id } of bell) {
        slow.push(id);
        await new Promise<void>((resolve) => (go = resolve));
      }
    })();
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"), notification("c", "c4"));
    expect([fast, slow, storedCursor()]).toEqual([["a", "b", "c"], ["a"], "c1"]);
    go();
    await settle();
    expect([slow, storedCursor()]).toEqual([["a", "b"], "c2"]);
    const third: string[] = [];
    void collect(bell, third);
    await socket().receives(notification("d", "c5"));
    expect(third).toEqual(["d"]); // continues after the notifications that the fast loop was given
    go();
    await settle();
    go();
    await settle();
    expect([slow, storedCursor()]).toEqual([["a", "b", "c", "d"], "c4"]);
  });

  it("that begins while another handles a notification begins with the next one", async () => {
    const { bell } = await openUnshared();
    const second: string[] = [];
    const loop = bell[Symbol.asyncIterator]();
    const first = loop.next();
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"));
    expect((await first).value!.id).toBe("a");
    void collect(bell, second);
    await settle();
    expect([second, (await loop.next()).value!.id]).toEqual([["b"], "b"]);
  });

  it("does not stop other loops when it ends early", async () => {
    const { bell } = await openUnshared();
    const rest: string[] = [];
    const ended = endings.break(bell, []);
    void collect(bell, rest);
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"));
    await ended;
    await socket().receives(notification("c", "c4"));
    expect(rest).toEqual(["a", "b", "c"]);
  });
});
