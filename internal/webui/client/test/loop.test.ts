import { describe, expect, it } from "vitest";
import type { Bell } from "../src/index.js";
import { browser, live, open, pass, settled, socket, told, welcome } from "./stage.js";

const alone = (options = {}) => open({ share: false, ...options });
const stored = () => browser.storage.items.get("bellhop/1 https://bell.test/base/ ada cursor");


async function collect(bell: Bell, got: string[]) {
  for await (const { id } of bell) got.push(id);
}

describe("for await", () => {
  it("yields each notification once, until close", async () => {
    const { bell } = await alone();
    const got: string[] = [];
    const loop = (async () => {
      for await (const { id } of bell) got.push(id);
      got.push("end");
    })();
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    await socket().ends(1006);
    await pass(250);
    await socket().hears(welcome("c3"), told("b", "c3"), told("c", "c4"));
    expect(got).toEqual(["a", "b", "c"]);
    bell.close();
    await loop;
    expect(got.at(-1)).toBe("end");
  });

  it("has handled one when it asks for the next", async () => {
    const { bell } = await alone({ storage: browser.storage });
    let go = () => {};
    void (async () => {
      for await (const _ of bell) await new Promise<void>((resolve) => (go = resolve));
    })();
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    expect(stored()).toBe("c1");
    go();
    await settled();
    expect(stored()).toBe("c2");
    go();
    await settled();
    expect(stored()).toBe("c3");
  });

  const leave = {
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
        // as a page may do
      }
    },
    return: async (bell: Bell, got: string[]) => {
      for await (const { id } of bell) return got.push(id);
      return undefined;
    },
  };

  for (const [how, first] of Object.entries(leave)) {
    for (const storage of [browser.storage, undefined]) {
      it(`that is left by ${how} goes on in the next loop after what it had in hand, ${storage ? "with" : "without"} storage`, async () => {
        const { bell } = await alone({ storage: storage && browser.storage });
        const got: string[] = [];
        const left = first(bell, got);
        await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"), told("c", "c4"));
        await left;
        await socket().hears(told("d", "c5"));
        void collect(bell, got);
        await socket().hears(told("e", "c6"));
        expect(got).toEqual(["a", "b", "c", "d", "e"]);
      });
    }

    it(`that is left by ${how} gives the next page what it had in hand again, and all after it`, async () => {
      const { bell } = await alone({ storage: browser.storage });
      const left = first(bell, []);
      await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"), told("c", "c4"), live("c5"));
      await left;
      void collect(bell, []);
      await socket().hears(told("d", "c6"));
      expect(stored()).toBe("c1");
      bell.close();
      const got: string[] = [];
      const next = await alone({ storage: browser.storage });
      void collect(next.bell, got);
      await settled();
      expect(socket().cursor).toBe("c1");
      await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
      expect([got, stored()]).toEqual([["a", "b"], "c3"]);
    });
  }

  it("keeps the last thousand for a further loop, once none is left", async () => {
    const { bell } = await alone();
    const left = leave.break(bell, []);
    await socket().hears(welcome("c1"), told("first", "c2"));
    await left;
    for (let i = 0; i < 1_500; i++) await socket().hears(told(`n${i}`, `d${i}`));
    const got: string[] = [];
    void collect(bell, got);
    await settled();
    expect([got.length, got[0], got.at(-1)]).toEqual([1_000, "n500", "n1499"]);
  });

  it("gives the next page nothing again after which the next was asked for", async () => {
    const { bell } = await alone({ storage: browser.storage });
    const loop = (async () => {
      for await (const { id } of bell) if (id === "b") break;
    })();
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"), told("c", "c4"));
    await loop;
    expect(stored()).toBe("c2");
  });

  it("that ends while it waits has handled all", async () => {
    const { bell } = await alone({ storage: browser.storage });
    const loop = bell[Symbol.asyncIterator]();
    const next = loop.next();
    await socket().hears(welcome("c1"), told("a", "c2"));
    expect((await next).value!.id).toBe("a");
    const waits = loop.next();
    await settled();
    expect(stored()).toBe("c2");
    bell.close();
    expect((await waits).done).toBe(true);
  });

  it("is slowed down by no other, and holds back the cursor for itself", async () => {
    const { bell } = await alone({ storage: browser.storage });
    const [fast, slow]: [string[], string[]] = [[], []];
    let go = () => {};
    void collect(bell, fast);
    void (async () => {
      for await (const { id } of bell) {
        slow.push(id);
        await new Promise<void>((resolve) => (go = resolve));
      }
    })();
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"), told("c", "c4"));
    expect([fast, slow, stored()]).toEqual([["a", "b", "c"], ["a"], "c1"]);
    go();
    await settled();
    expect([slow, stored()]).toEqual([["a", "b"], "c2"]);
    const third: string[] = [];
    void collect(bell, third);
    await socket().hears(told("d", "c5"));
    expect(third).toEqual(["d"]); // after what the fast one was given
    go();
    await settled();
    go();
    await settled();
    expect([slow, stored()]).toEqual([["a", "b", "c", "d"], "c4"]);
  });

  it("that begins while another has one in hand begins with the next", async () => {
    const { bell } = await alone();
    const second: string[] = [];
    const first = bell[Symbol.asyncIterator]();
    const given = first.next();
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    expect((await given).value!.id).toBe("a");
    void collect(bell, second);
    await settled();
    expect([second, (await first.next()).value!.id]).toEqual([["b"], "b"]);
  });

  it("lets the others go on when it is left", async () => {
    const { bell } = await alone();
    const rest: string[] = [];
    const left = leave.break(bell, []);
    void collect(bell, rest);
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    await left;
    await socket().hears(told("c", "c4"));
    expect(rest).toEqual(["a", "b", "c"]);
  });
});
