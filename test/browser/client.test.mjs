// The browser client against the real service: as many tabs as needed, one
// connection, counted where it ends.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { open, Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { binary, scratch, startBrowser } from "./service.mjs";

describe("the browser client", { timeout: 300_000 }, () => {
  let dir, bin, browser, site, home;
  before(async () => {
    dir = scratch();
    site = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<title>A page</title>"));
    await once(site.listen(0, "127.0.0.1"), "listening");
    home = `http://127.0.0.1:${site.address().port}`;
    bin = binary(dir.path);
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    site?.close();
    dir?.remove();
  });

  /** Starts a service and a browser profile, both of which end with the test. */
  async function start(t) {
    const data = scratch();
    const undo = [data.remove]; // to be done backwards
    t.after(async () => {
      for (const step of undo.reverse()) await step();
    });
    const service = new Service(bin, data.path, home);
    undo.push(() => service.stop());
    await service.start();
    const context = await browser.newContext();
    undo.push(() => context.close());
    return { service, context };
  }

  it("hears what its user is told, at once and once", async (t) => {
    const { service, context } = await start(t);
    const tab = await open(context, service);
    await service.publish("one");
    await service.publish("two");
    await eventually(tab.titles, ["one", "two"]);
    assert.deepEqual(tab.wrongs, []);
  });

  it("shares one connection among tabs, which the next keeps up", async (t) => {
    const { service, context } = await start(t);
    const first = await open(context, service);
    const second = await open(context, service);
    await service.publish("to both");
    await eventually(first.titles, ["to both"]);
    await eventually(second.titles, ["to both"]);
    assert.equal(await service.connections(), 1);

    await first.page.close();
    await service.publish("to the one that is left");
    await eventually(second.titles, ["to both", "to the one that is left"]);
    await eventually(service.connections, 1);
    assert.deepEqual(second.wrongs, []);
  });

  it("goes offline and misses nothing", async (t) => {
    const { service, context } = await start(t);
    const tab = await open(context, service);
    await service.publish("before");
    await eventually(tab.titles, ["before"]);
    await context.setOffline(true);
    await eventually(tab.state, "offline");
    await eventually(service.connections, 0);
    await service.publish("meanwhile");
    await context.setOffline(false);
    await eventually(tab.titles, ["before", "meanwhile"]);
  });

  it("comes back after a restart, from where it was", async (t) => {
    const { service, context } = await start(t);
    const tab = await open(context, service);
    await service.publish("before");
    await eventually(tab.titles, ["before"]);
    assert.equal(await service.stop(), 0);
    await eventually(async () => (await tab.closes())[0], { code: 1012, reason: "restart window=1", reconnect: true, after: 1 });
    await service.start();
    await service.publish("after");
    await eventually(tab.titles, ["before", "after"]);
    assert.equal(await tab.page.evaluate(() => window.resets), 0);
  });

  it("comes back with a new token when the old one has ended", async (t) => {
    const { service, context } = await start(t);
    let ended = true; // by a clock that is 26 seconds ahead, which the service forgives for 4 more
    const tab = await open(context, service, service.origin, () => service.tokenEnding(ended ? -26 : 3600));
    await service.publish("before");
    await eventually(tab.titles, ["before"]);
    await eventually(async () => (await tab.closes()).map(({ code, reconnect }) => [code, reconnect])[0], [4401, true]);
    ended = false;
    await service.publish("meanwhile");
    await eventually(tab.titles, ["before", "meanwhile"]);
    assert.equal(await tab.state(), "open");
    assert.equal(await tab.page.evaluate(() => window.resets), 0);
  });

  it("is let go when it falls behind, and misses nothing", async (t) => {
    const { service, context } = await start(t);
    const ways = []; // from the service, which can be stopped up
    const way = createTcpServer((tab) => {
      const onward = connect(new URL(service.origin).port, "127.0.0.1");
      ways.push(onward);
      tab.on("error", () => onward.destroy()).pipe(onward);
      onward.on("error", () => {}).on("close", () => tab.destroy()).pipe(tab);
    });
    await once(way.listen(0, "127.0.0.1"), "listening");
    t.after(() => way.close());

    const tab = await open(context, service, `http://127.0.0.1:${way.address().port}`);
    await service.publish("before");
    await eventually(tab.titles, ["before"]);
    ways.forEach((onward) => onward.unpipe().pause());
    const titles = ["before"];
    const slow = () => service.metric('bellhop_connections_closed_total{code="4408",reason="too-slow"}');
    while ((await slow()) === 0) {
      assert.ok(titles.length < 900, "a client that does not read is kept");
      const more = Array.from({ length: 16 }, (_, i) => `${titles.length + i}`);
      await service.publish(more, { data: { heavy: "x".repeat(16_000) } });
      titles.push(...more);
    }
    ways.forEach((onward) => onward.destroy());
    await eventually(tab.titles, titles);
    assert.equal(await tab.page.evaluate(() => window.resets), 0);
    await service.publish("after");
    await eventually(tab.titles, [...titles, "after"]);
  });

  it("hears by event stream where something on the way lets no socket through", async (t) => {
    const { service, context } = await start(t);
    let up = Promise.resolve(); // a stream that finds no service would make the client try a socket again
    const way = createServer(async (asked, answer) => {
      const { method, headers } = asked;
      await up;
      const onward = request(service.origin + asked.url, { method, headers }, (got) => {
        answer.writeHead(got.statusCode, got.headers).flushHeaders();
        got.pipe(answer);
      });
      answer.on("close", () => onward.destroy());
      asked.pipe(onward.on("error", () => answer.destroy()));
    });
    let refused = 0;
    way.on("upgrade", (_, socket) => {
      refused++;
      socket.destroy();
    });
    await once(way.listen(0, "127.0.0.1"), "listening");
    t.after(() => way.closeAllConnections());
    t.after(() => way.close());

    const tab = await open(context, service, `http://127.0.0.1:${way.address().port}`);
    assert.equal(refused, 2);
    await service.publish("by stream");
    await eventually(tab.titles, ["by stream"]);
    const second = await open(context, service, `http://127.0.0.1:${way.address().port}`);
    assert.equal(await service.connections(), 1);

    let resume;
    up = new Promise((resolve) => (resume = resolve));
    assert.equal(await service.stop(), 0);
    await eventually(async () => (await tab.closes()).at(-1), { code: 1012, reason: "restart window=1", reconnect: true, after: 1 });
    await service.start();
    resume();
    await service.publish("after");
    await eventually(tab.titles, ["by stream", "after"]);
    await eventually(second.titles, ["after"]);
    assert.equal(refused, 2);
  });

  it("refreshes its token on the open connection", async (t) => {
    const { service, context } = await start(t);
    const tab = await open(context, service, service.origin, () => service.token("ada", "4s"));
    await eventually(() => tab.page.evaluate(() => window.asked.length > 2), true);
    assert.equal(await tab.page.evaluate(() => window.asked[1]), true);
    await service.publish("still here");
    await eventually(tab.titles, ["still here"]);
    assert.deepEqual(await tab.closes(), []);
  });
});
