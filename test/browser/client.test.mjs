// Tests the browser client against the real service, whose metrics have the number
// of connections.

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
    site = createServer((_, outgoing) => outgoing.setHeader("Content-Type", "text/html").end("<title>A page</title>"));
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

  /** Starts a service and a browser profile. The end of the test stops both. */
  async function start(t) {
    const data = scratch();
    const cleanup = [data.remove]; // steps of the cleanup, run in reverse order
    t.after(async () => {
      for (const step of cleanup.reverse()) await step();
    });
    const service = new Service(bin, data.path, home);
    cleanup.push(() => service.stop());
    await service.start();
    const context = await browser.newContext();
    cleanup.push(() => context.close());
    return { service, context };
  }

  it("receives each notification of its user immediately and once", async (t) => {
    const { service, context } = await start(t);
    const tab = await open(context, service);
    await service.publish("one");
    await service.publish("two");
    await eventually(tab.titles, ["one", "two"]);
    assert.deepEqual(tab.pageErrors, []);
  });

  it("shares one connection among tabs, and the next tab takes it over", async (t) => {
    const { service, context } = await start(t);
    const first = await open(context, service);
    const second = await open(context, service);
    await service.publish("to both");
    await eventually(first.titles, ["to both"]);
    await eventually(second.titles, ["to both"]);
    assert.equal(await service.connections(), 1);

    await first.page.close();
    await service.publish("to the second");
    await eventually(second.titles, ["to both", "to the second"]);
    await eventually(service.connections, 1);
    assert.deepEqual(second.pageErrors, []);
  });

  it("loses nothing while offline", async (t) => {
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

  it("resumes after a restart", async (t) => {
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

  it("reconnects with a new token when the old one has expired", async (t) => {
    const { service, context } = await start(t);
    let ended = true; // 26 s ago, so the service accepts it for 4 s more
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

  it("is disconnected when it is too slow, and loses nothing", async (t) => {
    const { service, context } = await start(t);
    const upstreams = []; // proxied connections to the service, which can be blocked
    const proxy = createTcpServer((tab) => {
      const upstream = connect(new URL(service.origin).port, "127.0.0.1");
      upstreams.push(upstream);
      tab.on("error", () => upstream.destroy()).pipe(upstream);
      upstream.on("error", () => {}).on("close", () => tab.destroy()).pipe(tab);
    });
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    t.after(() => proxy.close());

    const tab = await open(context, service, `http://127.0.0.1:${proxy.address().port}`);
    await service.publish("before");
    await eventually(tab.titles, ["before"]);
    upstreams.forEach((upstream) => upstream.unpipe().pause());
    const titles = ["before"];
    const slow = () => service.metric('bellhop_connections_closed_total{code="4408",reason="too-slow"}');
    while ((await slow()) === 0) {
      assert.ok(titles.length < 900, "a client that does not read stays connected");
      const more = Array.from({ length: 16 }, (_, i) => `${titles.length + i}`);
      await service.publish(more, { data: { heavy: "x".repeat(16_000) } });
      titles.push(...more);
    }
    upstreams.forEach((upstream) => upstream.destroy());
    await eventually(tab.titles, titles);
    assert.equal(await tab.page.evaluate(() => window.resets), 0);
    await service.publish("after");
    await eventually(tab.titles, [...titles, "after"]);
  });

  it("uses an event stream if a proxy blocks WebSockets", async (t) => {
    const { service, context } = await start(t);
    let up = Promise.resolve(); // resolves when the service is up: after a failed stream, the client would try a socket again
    const proxy = createServer(async (incoming, outgoing) => {
      const { method, headers } = incoming;
      await up;
      const upstream = request(service.origin + incoming.url, { method, headers }, (response) => {
        outgoing.writeHead(response.statusCode, response.headers).flushHeaders();
        response.pipe(outgoing);
      });
      outgoing.on("close", () => upstream.destroy());
      incoming.pipe(upstream.on("error", () => outgoing.destroy()));
    });
    let refused = 0;
    proxy.on("upgrade", (_, socket) => {
      refused++;
      socket.destroy();
    });
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    t.after(() => proxy.closeAllConnections());
    t.after(() => proxy.close());

    const tab = await open(context, service, `http://127.0.0.1:${proxy.address().port}`);
    assert.equal(refused, 2);
    await service.publish("by stream");
    await eventually(tab.titles, ["by stream"]);
    const second = await open(context, service, `http://127.0.0.1:${proxy.address().port}`);
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
    await eventually(() => tab.page.evaluate(() => window.freshArguments.length > 2), true);
    assert.equal(await tab.page.evaluate(() => window.freshArguments[1]), true);
    await service.publish("still here");
    await eventually(tab.titles, ["still here"]);
    assert.deepEqual(await tab.closes(), []);
  });
});
