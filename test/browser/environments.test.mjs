// Tests the client behind the proxy of a development server, with a polyfill of
// EventSource, and on servers that render pages.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import compression from "compression";
import express from "express";
import httpProxy from "http-proxy";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { ENGINES } from "./engines.mjs";
import { binary, scratch } from "./service.mjs";
import { openClient, Site } from "./site.mjs";

const POLYFILL = readFileSync(createRequire(import.meta.url).resolve("event-source-polyfill/src/eventsource.js"), "utf8");
const CLIENT = new URL("../../internal/webui/client/dist/", import.meta.url);

describe("environments", { timeout: 300_000 }, () => {
  let dir, bin, engine, site;
  before(async () => {
    dir = scratch();
    bin = binary(dir.path);
    site = await Site.open();
    engine = await ENGINES.Chromium();
  });
  after(async () => {
    await engine?.close();
    site?.close();
    dir?.remove();
  });

  /** Starts a service and a device. The end of the test stops both. */
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
    const device = await engine.device();
    cleanup.push(device.close);
    return { service, device };
  }

  it("events arrive immediately through a development server that compresses and blocks WebSockets", async (t) => {
    const { service, device } = await start(t);
    const proxy = httpProxy.createProxyServer({ target: service.origin });
    proxy.on("error", (_, __, answer) => answer.destroy());
    const app = express();
    app.use(compression({ threshold: 0 }));
    app.use((incoming, answer) => proxy.web(incoming, answer));
    const server = createServer(app).on("upgrade", (_, socket) => socket.destroy());
    await once(server.listen(0, "127.0.0.1"), "listening");
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const address = `http://127.0.0.1:${server.address().port}`;
    const script = await fetch(`${address}/client.js`, { headers: { "Accept-Encoding": "gzip" } });
    assert.equal(script.headers.get("Content-Encoding"), "gzip", "the proxy must compress");

    const page = await openClient(device, site, address);
    await service.publish("one");
    await eventually(page.titles, ["one"]);
    await service.publish("two");
    await eventually(page.titles, ["one", "two"]);
    assert.deepEqual(await page.errors(), []);
  });

  // With its default, the service would ignore the polyfill's cursor, and missed events would be lost.
  it("a polyfill of EventSource is refused with its default parameter, and resumes with the correct one", async (t) => {
    const { service, device } = await start(t);
    site.pages.set("/polyfill.js", POLYFILL);
    site.put("/polyfill", '<script src="/polyfill.js"></script>');
    const tab = await device.open(`${site.home}/polyfill`);
    const listen = (options) =>
      tab.run(
        async (url, token, options) => {
          const headers = { Authorization: `Bearer ${token}` };
          const source = new EventSourcePolyfill(`${url}/events`, { headers, ...options });
          Object.assign(window, { source, received: [], failed: [] });
          source.addEventListener("notification", ({ data }) => received.push(JSON.parse(data).title));
          source.addEventListener("error", ({ status }) => failed.push(status ?? 0));
          await new Promise((resolve) => source.addEventListener("live", resolve, { once: true }));
        },
        service.origin,
        service.token("ada", "1h"),
        options,
      );
    const restartWith = async (title) => {
      await service.publish(`before ${title}`);
      await eventually(() => tab.run(() => received), [`before ${title}`]);
      assert.equal(await service.stop(), 0);
      await service.start();
      await service.publish(`after ${title}`);
    };

    await listen({});
    await restartWith("by its default");
    await eventually(() => tab.run(() => failed.at(-1)), 400);
    await tab.run(() => source.close());

    await listen({ lastEventIdQueryParameterName: "cursor" });
    await restartWith("by cursor");
    await eventually(() => tab.run(() => received), ["before by cursor", "after by cursor"], 30_000);
    await tab.run(() => source.close());
  });

  it("the refusal of an unknown parameter names it and the allowed ones", async (t) => {
    const { service, device } = await start(t);
    const tab = await device.open(site.home);
    for (const path of ["events", "ws", "inbox"]) {
      const { status, detail } = await tab.run(
        async (url, token) => {
          const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
          return { status: answer.status, detail: (await answer.json()).detail };
        },
        `${service.origin}/${path}?lastEventId=c7`,
        service.token("ada", "1h"),
      );
      assert.equal(status, 400);
      assert.match(detail, /"lastEventId" is unknown; allowed are: /);
    }
  });

  it("a server that renders pages imports the client and the element", async () => {
    const { connect } = await import(`${CLIENT}client.js`);
    assert.equal(typeof connect, "function");
    await import(`${CLIENT}inbox.js`);
    const html = renderToString(createElement("bellhop-inbox", { inline: true, url: "https://bell.example.com" }));
    assert.match(html, /^<bellhop-inbox[^>]* url="https:\/\/bell\.example\.com"[^>]*><\/bellhop-inbox>$/);
  });
});
