// What every page relies on, in each of the three engines: Chromium, Firefox and
// WebKit against the real service.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { after, before, describe, it } from "node:test";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { ENGINES } from "./engines.mjs";
import { binary, scratch } from "./service.mjs";
import { openClient, openElement, Site } from "./site.mjs";

// One of them, or all.
const chosen = process.env.ENGINE ? [process.env.ENGINE] : Object.keys(ENGINES);

for (const name of chosen) {
  describe(`in ${name}`, { timeout: 300_000 }, () => {
    let dir, bin, engine, site;
    before(async () => {
      dir = scratch();
      bin = binary(dir.path);
      site = await Site.open();
      engine = await ENGINES[name]();
    });
    after(async () => {
      await engine?.close();
      site?.close();
      dir?.remove();
    });

    /** Starts a service and returns how to get devices; all of it ends with the test. */
    async function start(t, env = {}) {
      const data = scratch();
      const undo = [data.remove]; // to be done backwards
      t.after(async () => {
        for (const step of undo.reverse()) await step();
        site.broken = undefined;
      });
      const service = new Service(bin, data.path, site.home, "", env);
      undo.push(() => service.stop());
      await service.start();
      site.sign = (user) => service.token(user, "1h");
      const device = async () => {
        const made = await engine.device();
        undo.push(made.close);
        return made;
      };
      return { service, device };
    }

    it("connects, hears, and resumes after the service was restarted", async (t) => {
      const { service, device } = await start(t);
      const page = await openClient(await device(), site, service.origin);
      await service.publish(["one", "two"]);
      await eventually(page.titles, ["one", "two"]);
      assert.equal(await service.stop(), 0);
      await eventually(async () => (await page.closes())[0], 1012);
      await service.start();
      await service.publish("three");
      await eventually(page.titles, ["one", "two", "three"]);
      await eventually(page.unread, 3);
      assert.equal(await page.resets(), 0);
      assert.deepEqual(await page.errors(), []);
    });

    it("shows on one device what was read on another", async (t) => {
      const { service, device } = await start(t);
      const phone = await openElement(await device(), site, service.origin);
      const desk = await openElement(await device(), site, service.origin);
      await service.publish(["one", "two"]);
      for (const { badge } of [phone, desk]) await eventually(badge, "2");
      await phone.click("[part=bell]");
      await eventually(phone.titles, ["two*", "one*"]);
      await phone.click("li:last-child [part=action]"); // mark as read
      await eventually(phone.titles, ["two*", "one"]);
      await eventually(desk.badge, "1");
      await desk.click("[part=bell]");
      await eventually(desk.titles, ["two*", "one"]);
      await desk.click("[part=read-all]");
      for (const { titles, badge } of [phone, desk]) {
        await eventually(titles, ["two", "one"]);
        await eventually(badge, "");
      }
      for (const { errors } of [phone, desk]) assert.deepEqual(await errors(), []);
    });

    it("shares one connection among tabs, which the next keeps up", async (t) => {
      const { service, device } = await start(t);
      const browser = await device();
      const first = await openClient(browser, site, service.origin);
      const second = await openClient(browser, site, service.origin);
      await service.publish("to both");
      for (const { titles } of [first, second]) await eventually(titles, ["to both"]);
      assert.equal(await service.connections(), 1);
      await first.tab.close();
      await service.publish("to the one that is left");
      await eventually(second.titles, ["to both", "to the one that is left"]);
      await eventually(service.connections, 1);
    });

    it("hears by event stream where no socket gets through", async (t) => {
      const { service, device } = await start(t);
      const way = await withoutSockets(t, service);
      const page = await openClient(await device(), site, way);
      await service.publish("by stream");
      await eventually(page.titles, ["by stream"]);
      assert.equal(await service.connections(), 1);
      assert.deepEqual(await page.errors(), []);
    });
  });
}

/** A proxy on the way to the service that lets no WebSocket through. */
async function withoutSockets(t, service) {
  const way = createServer((asked, answer) => {
    const { method, headers } = asked;
    const onward = request(service.origin + asked.url, { method, headers }, (got) => {
      answer.writeHead(got.statusCode, got.headers).flushHeaders();
      got.pipe(answer);
    });
    answer.on("close", () => onward.destroy());
    asked.pipe(onward.on("error", () => answer.destroy()));
  });
  way.on("upgrade", (_, socket) => socket.destroy());
  await once(way.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    way.close();
    way.closeAllConnections();
  });
  return `http://127.0.0.1:${way.address().port}`;
}
