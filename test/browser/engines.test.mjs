// What every page relies on, in each of the three engines: Chromium, Firefox and
// WebKit against the real service.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { ENGINES } from "./engines.mjs";
import { binary, scratch } from "./service.mjs";
import { BROKEN, elementIn, openClient, openElement, Site } from "./site.mjs";
import { blocks } from "../recipes/recipes.mjs";

const BROKEN_FOR = 10_000;
const RECOVERS_WITHIN = 60_000;

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

    // Such a frame has locks, channels and storage that exist and refuse: the
    // client works without them.
    it("connects in a frame that is in a sandbox", async (t) => {
      const { service, device } = await start(t, { BELLHOP_ALLOWED_ORIGINS: "null" });
      site.put("/sandbox", sandbox(service.origin, service.token("ada", "1h")));
      const tab = await (await device()).open(`${site.home}/sandbox`);
      const told = () => tab.run(() => told);
      await eventually(async () => (await told()).includes("open"), true);
      await service.publish("in the sandbox");
      await eventually(async () => (await told()).at(-1), "in the sandbox");
      assert.ok((await told()).length < 10, "no attempt without a wait");
    });

    // Electron and WebViews have such pages: engines send null or file://.
    it("connects from a file", async (t) => {
      const { service, device } = await start(t, { BELLHOP_ALLOWED_ORIGINS: "null,file://" });
      const path = join(dir.path, "page.html");
      writeFileSync(path, framed(service.origin, service.token("ada", "1h"), "window"));
      const tab = await (await device()).open(`file://${path}`);
      const told = () => tab.run(() => told);
      await eventually(async () => (await told()).includes("open"), true);
      await service.publish("in a file");
      await eventually(async () => (await told()).at(-1), "in a file");
    });

    it("connects where the browser believes that it has no network", async (t) => {
      const { service, device } = await start(t);
      const tab = await (await device()).open(site.home);
      await tab.run((origin) => {
        Object.defineProperty(navigator, "onLine", { get: () => false });
        return begin(origin);
      }, service.origin);
      await eventually(() => tab.run(() => bell.state), "open");
      await service.publish("heard all the same");
      await eventually(() => tab.run(() => titles), ["heard all the same"]);
    });

    it("works in a module worker, which goes offline and comes back", async (t) => {
      const { service, device } = await start(t);
      site.pages.set("/worker.js", worker(service.origin));
      const tab = await (await device()).open(site.home);
      await tab.run(() => {
        window.told = [];
        window.worker = new Worker("/worker.js", { type: "module" });
        worker.onmessage = ({ data }) => told.push(data);
        worker.onerror = ({ message }) => told.push(`error: ${message}`);
      });
      const told = () => tab.run(() => told);
      await eventually(async () => (await told()).includes("open"), true);
      await service.publish("one");
      await eventually(async () => (await told()).at(-1), "one");
      await tab.run(() => worker.postMessage("offline"));
      await tab.run(() => worker.postMessage("online"));
      await service.publish("two");
      await eventually(async () => (await told()).filter((word) => word === "two").length, 1);
      assert.deepEqual((await told()).filter((word) => word.startsWith("error")), []);
    });

    for (const leave of ["break", "throw new Error('left')", "return"]) {
      it(`tells the next page again what was in hand at a ${leave.split(" ")[0]}`, async (t) => {
        const { service, device } = await start(t);
        const tab = await (await device()).open(site.home);
        await tab.run((origin, leave) => loop(origin, leave), service.origin, leave);
        await eventually(() => tab.run(() => bell.state), "open");
        await service.publish(["one", "two", "three", "four"]);
        await eventually(() => tab.run(() => come), 4);
        await tab.run(() => leaveAt("two"));
        await eventually(() => tab.run(() => left), true);
        assert.deepEqual(await tab.run(() => looped), ["one", "two"]);
        await tab.go(site.home);
        await tab.run((origin) => loop(origin, ""), service.origin);
        await eventually(() => tab.run(() => looped), ["two", "three", "four"]);
      });
    }

    it("serves newcomers' pages whose token endpoint is broken at first", async (t) => {
      const { service, device } = await start(t);
      const faults = ["502 in HTML", "an empty answer", "a login page", "a lost connection"].map((name) => BROKEN[name]);
      site.asked = 0;
      site.broken = (answer) => faults[site.asked % faults.length](answer);
      for (const [path, html] of Object.entries(newcomers(service))) site.put(path, html);
      const element = elementIn(await (await device()).open(`${site.home}/element-of-the-readme`));
      const client = await (await device()).open(`${site.home}/client-of-the-readme`);
      await new Promise((resolve) => setTimeout(resolve, BROKEN_FOR));
      assert.ok(site.asked > 2, "the endpoint is asked again");
      assert.ok(site.asked < 60, `no page asks without a wait: asked ${site.asked} times`);
      site.broken = undefined;
      await eventually(service.connections, 2, RECOVERS_WITHIN);
      await service.publish("at last");
      await eventually(element.badge, "1");
      await eventually(() => client.run(() => window.shown), ["at last"]);
      await element.click("[part=bell]");
      await eventually(element.titles, ["at last*"]);
    });
  });
}

/** Two empty pages into which somebody has pasted what the READMEs say. */
function newcomers(service) {
  const of = (path, fence) => blocks(readFileSync(new URL(path, import.meta.url), "utf8"), fence)[0].replaceAll("https://bell.example.com", service.origin);
  const client = of("../../README.md", "js");
  return {
    "/element-of-the-readme": of("../../internal/webui/client/README.md", "html"),
    "/client-of-the-readme": `<script>window.shown = []; const show = ({ title }) => shown.push(title);</script><script type="module">${client}</script>`,
  };
}

/** What connects and tells a window each state and title. */
const framed = (origin, token, window) => `<script>window.told = []; onmessage = ({ data }) => told.push(data);</script>
  <script type="module">
    import { connect } from "${origin}/client.js";
    const tell = (word) => ${window}.postMessage(word, "*");
    const bell = connect({ url: "${origin}", token: () => "${token}" });
    tell(bell.state);
    bell.on("state", ({ state }) => tell(state));
    for await (const { title } of bell) tell(title);
  </script>`;

/** A page with a frame that may run scripts and nothing else, and tells the page what it hears. */
function sandbox(origin, token) {
  const frame = framed(origin, token, "parent").replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<script>window.told = []; onmessage = ({ data }) => told.push(data);</script><iframe sandbox="allow-scripts" srcdoc="${frame}"></iframe>`;
}

/** A module worker that tells its page each state and title, and loses and finds the network when told so. */
const worker = (origin) => `
  import { connect } from "${origin}/client.js";
  let online = true;
  Object.defineProperty(navigator, "onLine", { get: () => online });
  onmessage = ({ data }) => {
    online = data === "online";
    dispatchEvent(new Event(data));
  };
  const token = async () => (await fetch("/my/token?user=ada")).text();
  const bell = connect({ url: "${origin}", token });
  bell.on("state", ({ state }) => postMessage(state));
  for await (const { title } of bell) postMessage(title);`;

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
