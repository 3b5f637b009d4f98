// Tabs that share a connection do not depend on the one that has it: it may be
// frozen, or get no token.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { binary, scratch, startBrowser } from "./service.mjs";
import { Site } from "./site.mjs";

const TAKES_OVER_WITHIN = 90_000;

describe("a leader that is no use to its tabs", { timeout: 400_000 }, () => {
  let dir, bin, browser, site;
  before(async () => {
    dir = scratch();
    bin = binary(dir.path);
    site = await Site.open();
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    site?.close();
    dir?.remove();
  });

  /** Starts a service, and returns how to get devices; all of it ends with the test. */
  async function start(t) {
    const data = scratch();
    const undo = [data.remove]; // to be done backwards
    t.after(async () => {
      for (const step of undo.reverse()) await step();
    });
    const service = new Service(bin, data.path, site.home);
    undo.push(() => service.stop());
    await service.start();
    site.sign = (user) => service.token(user, "1h");
    const device = async () => {
      const context = await browser.newContext();
      undo.push(() => context.close());
      return context;
    };
    return { service, device };
  }

  /** Opens a tab and waits until it is open, so that the first one leads. */
  async function open(context, service, options = {}) {
    const page = await context.newPage();
    await page.goto(site.home);
    await page.evaluate(([origin, options]) => begin(origin, options), [service.origin, options]);
    await eventually(() => page.evaluate(() => bell.state), "open");
    return Object.assign(page, { titles: () => page.evaluate(() => titles), state: () => page.evaluate(() => bell.state) });
  }

  it("is replaced when its process is stopped, and follows when it goes on", async (t) => {
    const { service, device } = await start(t);
    const context = await device();
    const leader = await open(context, service);
    const other = await open(context, service);
    await service.publish("before");
    for (const { titles } of [leader, other]) await eventually(titles, ["before"]);

    const process = await processOf(browser, leader);
    assert.notEqual(process, await processOf(browser, other));
    globalThis.process.kill(process, "SIGSTOP");
    try {
      await service.publish("while it is stopped");
      await eventually(other.titles, ["before", "while it is stopped"], TAKES_OVER_WITHIN);
    } finally {
      globalThis.process.kill(process, "SIGCONT");
    }
    await service.publish("after");
    for (const { titles } of [leader, other]) {
      await eventually(titles, ["before", "while it is stopped", "after"], TAKES_OVER_WITHIN);
    }
    await eventually(service.connections, 1, TAKES_OVER_WITHIN);
  });

  // One browser for each way in which tokens can fail, at the same time.
  it("gives up the lead when it gets no token", async (t) => {
    const { service, device } = await start(t);
    const ways = {
      "null": () => null,
      "an error": () => Promise.reject(new TypeError("no token today")),
      "a promise that never settles": () => new Promise(() => {}),
    };
    site.sign = () => service.tokenEnding(-20); // good for ten seconds more, by the leeway of thirty
    const pairs = await Promise.all(
      Object.entries(ways).map(async ([name, fails]) => {
        const context = await device();
        const leader = await open(context, service);
        const other = await open(context, service);
        await leader.evaluate((fails) => (window.askToken = new Function(`return (${fails})()`)), String(fails));
        return { name, leader, other };
      }),
    );
    site.sign = (user) => service.token(user, "1h");
    await Promise.all(pairs.map(({ leader }) => eventually(() => leader.evaluate(() => closes.length > 0), true, TAKES_OVER_WITHIN)));
    await service.publish("heard by the other tab");
    for (const { name, other } of pairs) {
      await eventually(async () => [name, await other.titles()], [name, ["heard by the other tab"]], TAKES_OVER_WITHIN);
    }
    // A new tab hears too, and so does the one without a token, unless it has said that nobody is logged in.
    for (const { name, leader, other } of pairs) {
      const third = await open(leader.context(), service);
      await service.publish(`and by a third, ${name}`);
      for (const tab of name === "null" ? [third, other] : [third, other, leader]) {
        await eventually(async () => (await tab.titles()).at(-1), `and by a third, ${name}`);
      }
    }
    assert.equal(await pairs[0].leader.state(), "closed");
  });
});

/** Returns the id of the process that a page runs in: the one that works while the page does. */
async function processOf(browser, page) {
  const session = await browser.newBrowserCDPSession();
  const times = async () => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    return new Map(processInfo.filter(({ type }) => type === "renderer").map(({ id, cpuTime }) => [id, cpuTime]));
  };
  const before = await times();
  await page.evaluate(() => {
    for (const end = performance.now() + 500; performance.now() < end; );
  });
  const after = [...(await times())].map(([id, time]) => [id, time - (before.get(id) ?? 0)]);
  await session.detach();
  return after.sort(([, a], [, b]) => b - a)[0][0];
}
