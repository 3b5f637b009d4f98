// Tests that tabs with a shared connection do not depend on the leader, which may be
// suspended or get no token.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { binary, scratch, startBrowser } from "./service.mjs";
import { Site } from "./site.mjs";

const TAKEOVER_TIMEOUT = 90_000;

describe("a leader that fails", { timeout: 400_000 }, () => {
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

  /** Starts a service; returns it and a function that opens devices. The end of the test stops all of them. */
  async function start(t) {
    const data = scratch();
    const cleanup = [data.remove]; // steps of the cleanup, run in reverse order
    t.after(async () => {
      for (const step of cleanup.reverse()) await step();
    });
    const service = new Service(bin, data.path, site.home);
    cleanup.push(() => service.stop());
    await service.start();
    site.sign = (user) => service.token(user, "1h");
    const device = async () => {
      const context = await browser.newContext();
      cleanup.push(() => context.close());
      return context;
    };
    return { service, device };
  }

  /** Opens a tab and waits until it is connected, so that the first tab is the leader. */
  async function open(context, service, options = {}) {
    const page = await context.newPage();
    await page.goto(site.home);
    await page.evaluate(([origin, options]) => begin(origin, options), [service.origin, options]);
    await eventually(() => page.evaluate(() => bell.state), "open");
    return Object.assign(page, { titles: () => page.evaluate(() => titles), state: () => page.evaluate(() => bell.state) });
  }

  it("is replaced when its process is stopped, and follows when it continues", async (t) => {
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
      await eventually(other.titles, ["before", "while it is stopped"], TAKEOVER_TIMEOUT);
    } finally {
      globalThis.process.kill(process, "SIGCONT");
    }
    await service.publish("after");
    for (const { titles } of [leader, other]) {
      await eventually(titles, ["before", "while it is stopped", "after"], TAKEOVER_TIMEOUT);
    }
    await eventually(service.connections, 1, TAKEOVER_TIMEOUT);
  });

  // One browser for each fault of token(), at the same time.
  it("releases the lock when it gets no token", async (t) => {
    const { service, device } = await start(t);
    const faults = {
      "null": () => null,
      "an error": () => Promise.reject(new TypeError("no token today")),
      "a promise that never settles": () => new Promise(() => {}),
    };
    site.sign = () => service.tokenEnding(-20); // the service accepts it for 10 s more, by its leeway of 30 s
    const pairs = await Promise.all(
      Object.entries(faults).map(async ([name, fails]) => {
        const context = await device();
        const leader = await open(context, service);
        const other = await open(context, service);
        await leader.evaluate((fails) => (window.askToken = new Function(`return (${fails})()`)), String(fails));
        return { name, leader, other };
      }),
    );
    site.sign = (user) => service.token(user, "1h");
    await Promise.all(pairs.map(({ leader }) => eventually(() => leader.evaluate(() => closes.length > 0), true, TAKEOVER_TIMEOUT)));
    await service.publish("received by the other tab");
    for (const { name, other } of pairs) {
      await eventually(async () => [name, await other.titles()], [name, ["received by the other tab"]], TAKEOVER_TIMEOUT);
    }
    // A new tab receives too, and so does the tab without a token, unless its token() returned that no user is logged in.
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

/** Returns the id of the process of a page: the one that uses CPU time while the page does. */
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
