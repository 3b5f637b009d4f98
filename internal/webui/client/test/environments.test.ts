import { describe, expect, it, vi } from "vitest";
import { browser, FakeSocket, setOnline, live, open, advance, settle, socket, notification, welcome } from "./fakes.js";

/** The globals that are missing outside of pages. */
const environments: Record<string, string[]> = {
  "a worker": ["document", "localStorage"],
  "a service worker": ["document", "localStorage", "reportError"],
  Node: ["document", "localStorage", "navigator", "location", "addEventListener", "reportError"],
};

describe.each(Object.entries(environments))("in %s", (where, missing) => {
  it("the client works without the missing globals", async () => {
    for (const name of missing) {
      if (name === "localStorage") browser.refused.add(name);
      else vi.stubGlobal(name, undefined);
    }
    const { bell, ids } = await open({ storage: browser.storage });
    bell.on("notification", () => {
      throw new Error("broken");
    });
    await socket().receives(welcome("c1"), live("c2"), notification("a", "c3"));
    browser.network = false;
    await socket().closes(1006);
    await restoreNetwork(where !== "Node");
    await socket().receives(welcome("c3"), notification("b", "c4"), live("c4"));
    browser.fetch.mockImplementation(async () => Response.json({}));
    await bell.read("a");
    expect([bell.state, ids()]).toEqual(["open", ["a", "b"]]);
    expect([...browser.storage.items]).toEqual([["bellhop/1 https://bell.test/base/ ada cursor", "c4"]]);
    expect([...browser.errors, ...browser.console.flat()]).toEqual([new Error("broken"), new Error("broken")]);
  });
});

/** Restores the network. A browser reports it, Node does not. */
async function restoreNetwork(says: boolean) {
  const before = FakeSocket.all.length;
  if (says) {
    await setOnline(false);
    await setOnline(true);
  } else {
    browser.network = true;
    await advance(2_000);
  }
  expect(FakeSocket.all.length).toBeGreaterThan(before);
}

describe("marks if the storage", () => {
  const denied = () => {
    throw new DOMException("denied", "SecurityError");
  };
  const key = "bellhop/1 https://bell.test/base/ ada marks";
  const storages: Record<string, () => Partial<Storage>> = {
    "throws at every call": () => ({ getItem: denied, setItem: denied }),
    "throws at writing": () => ({ getItem: () => null, setItem: denied }),
    "ignores writes": () => ({ getItem: () => '[{"id":"old","verb":"read","which":{"ids":["z"]}}]', setItem: () => {} }),
  };
  for (const value of ["{}", "null", "7", '"text"', "not JSON", "[null,7,{}]", '{"length":1}']) {
    storages[`holds ${value}`] = () => {
      browser.storage.items.set(key, value);
      return browser.storage;
    };
  }

  for (const [what, storage] of Object.entries(storages)) {
    it(`${what} are delivered, each once`, async () => {
      vi.stubGlobal("localStorage", storage());
      const posted: string[] = [];
      browser.fetch.mockImplementation(async (_, { body }) => (posted.push(String(body)), Response.json({})));
      const { bell } = await open();
      await socket().receives(welcome("c1"), live("c1"));
      await Promise.all([bell.read("a"), bell.read("b")]);
      await advance(60_000);
      expect(posted.filter((body) => body !== '{"ids":["z"]}')).toEqual(['{"ids":["a"]}', '{"ids":["b"]}']);
      expect(posted.length).toBeLessThan(5);
    });
  }

  it("cannot be accessed are delivered", async () => {
    browser.refused.add("localStorage");
    browser.fetch.mockImplementation(async () => Response.json({}));
    const { bell } = await open();
    await socket().receives(welcome("c1"), live("c1"));
    await bell.read("a");
    expect(browser.fetch).toHaveBeenCalledTimes(1);
  });

  it("is locked by a suspended tab are delivered after a timeout", async () => {
    browser.fetch.mockImplementation(async () => Response.json({}));
    const { bell } = await open({ share: false });
    await socket().receives(welcome("c1"), live("c1"));
    void navigator.locks.request(key, () => new Promise(() => {}));
    await settle();
    const read = bell.read("a");
    await advance(10_000);
    await read;
    expect(browser.fetch).toHaveBeenCalledTimes(1);
  });
});

describe("marks", () => {
  it("are sent even if the browser wrongly reports that it is offline", async () => {
    browser.onLine = false;
    browser.fetch.mockImplementation(async () => Response.json({}));
    const { bell } = await open();
    await bell.read("a");
    expect(browser.fetch).toHaveBeenCalledTimes(1);
  });

  it("that are being sent are not aborted when the page closes", async () => {
    const { bell } = await open();
    await socket().receives(welcome("c1"), live("c1"));
    let answer = (_: Response) => {};
    browser.fetch.mockImplementation(() => new Promise((resolve) => (answer = resolve)));
    const read = bell.read("a");
    await settle();
    bell.close();
    expect(browser.fetch.mock.lastCall![1].signal!.aborted).toBe(false);
    answer(Response.json({}));
    await read;
  });

  it("without an answer are sent again", async () => {
    const { bell } = await open();
    await socket().receives(welcome("c1"), live("c1"));
    browser.fetch.mockImplementationOnce(() => new Promise(() => {}));
    browser.fetch.mockImplementation(async () => Response.json({}));
    const read = bell.read("a");
    await advance(30_250);
    await read;
    expect(browser.fetch.mock.calls[0]![1].signal!.aborted).toBe(true);
  });
});
