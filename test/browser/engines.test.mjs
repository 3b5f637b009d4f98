// Tests the functions that every page relies on in Chromium, Firefox and WebKit,
// against the real service.

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
import { TOKEN_FAULTS, elementIn, openClient, openElement, Site } from "./site.mjs";
import { blocks } from "../recipes/recipes.mjs";

const FAULT_DURATION = 10_000;
const RECOVERY_TIMEOUT = 60_000;

// The engine in ENGINE, or all.
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

    /** Starts a service; returns it and a function that opens devices. The end of the test stops all of them. */
    async function start(t, env = {}) {
      const data = scratch();
      const cleanup = [data.remove]; // steps of the cleanup, run in reverse order
      t.after(async () => {
        for (const step of cleanup.reverse()) await step();
        site.broken = undefined;
      });
      const service = new Service(bin, data.path, site.home, "", env);
      cleanup.push(() => service.stop());
      await service.start();
      site.sign = (user) => service.token(user, "1h");
      const device = async () => {
        const opened = await engine.device();
        cleanup.push(opened.close);
        return opened;
      };
      return { service, device };
    }

    it("connects, receives, and resumes after a restart of the service", async (t) => {
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

    it("shows on one device what has been read on another", async (t) => {
      const { service, device } = await start(t);
      const phone = await openElement(await device(), site, service.origin);
      const desktop = await openElement(await device(), site, service.origin);
      await service.publish(["one", "two"]);
      for (const { badge } of [phone, desktop]) await eventually(badge, "2");
      await phone.tab.show();
      await phone.click("[part=bell]");
      await eventually(phone.titles, ["two*", "one*"]);
      await phone.click("li:last-child [part=action]"); // mark as read
      await eventually(phone.titles, ["two*", "one"]);
      await eventually(desktop.unread, 1);
      await eventually(desktop.badge, ""); // both were seen on the phone
      await desktop.click("[part=bell]");
      await eventually(desktop.titles, ["two*", "one"]);
      await desktop.click("[part=read-all]");
      for (const { titles, unread } of [phone, desktop]) {
        await eventually(titles, ["two", "one"]);
        await eventually(unread, 0);
      }
      for (const { errors } of [phone, desktop]) assert.deepEqual(await errors(), []);
    });

    it("shows url and actions as links, which mark as read", async (t) => {
      const { service, device } = await start(t);
      const page = await openElement(await device(), site, service.origin);
      await service.publish("one", { url: "/one?a=b", actions: [{ title: "Reply", url: "https://example.com/reply" }] });
      await page.click("[part=bell]");
      await eventually(page.titles, ["one*"]);
      const links = () => page.tab.run(() => [...document.querySelector("bellhop-inbox").shadowRoot.querySelectorAll("a")].map(({ href }) => href));
      assert.deepEqual(await links(), [`${site.home}/one?a=b`, "https://example.com/reply"]);
      await page.tab.run(() => document.querySelector("bellhop-inbox").addEventListener("bellhop-action", (event) => {
        event.preventDefault();
        window.selected = [event.detail.item.title, event.detail.action.title];
      }));
      await page.click("[part=item-action]");
      await eventually(page.titles, ["one"]);
      assert.deepEqual(await page.tab.run(() => selected), ["one", "Reply"]);
      assert.deepEqual(await page.errors(), []);
    });

    it("lists parts of the inbox in tabs, and shows what another device has seen", async (t) => {
      const { service, device } = await start(t);
      const phone = await openElement(await device(), site, service.origin);
      const desktop = await openElement(await device(), site, service.origin);
      await phone.setTabs([{ label: "Mentions", type: "mention.*" }, { label: "Important", priority: "high" }]);
      await service.publish("one", { type: "mention.task" });
      await service.publish("two", { priority: "high" });
      await service.publish("three");
      for (const { badge } of [phone, desktop]) await eventually(badge, "3");
      await phone.tab.show();
      await phone.click("[part=bell]");
      for (const { badge } of [phone, desktop]) await eventually(badge, "");
      await eventually(phone.tabs, { selected: 0, counts: ["3", "1", "1"] });
      await phone.click("#tab-1");
      await eventually(phone.titles, ["one*"]);
      await service.publish("four", { type: "mention.doc" });
      await service.publish("five");
      await eventually(phone.titles, ["four*", "one*"]);
      await eventually(phone.tabs, { selected: 1, counts: ["5", "2", "1"] });
      await eventually(desktop.badge, "1"); // the phone shows four, but not five
      for (const { errors } of [phone, desktop]) assert.deepEqual(await errors(), []);
    });

    it("shares one connection among tabs, and the next tab takes it over", async (t) => {
      const { service, device } = await start(t);
      const browser = await device();
      const first = await openClient(browser, site, service.origin);
      const second = await openClient(browser, site, service.origin);
      await service.publish("to both");
      for (const { titles } of [first, second]) await eventually(titles, ["to both"]);
      assert.equal(await service.connections(), 1);
      await first.tab.close();
      await service.publish("to the second");
      await eventually(second.titles, ["to both", "to the second"]);
      await eventually(service.connections, 1);
    });

    it("uses an event stream if WebSockets are blocked", async (t) => {
      const { service, device } = await start(t);
      const proxy = await withoutSockets(t, service);
      const page = await openClient(await device(), site, proxy);
      await service.publish("by stream");
      await eventually(page.titles, ["by stream"]);
      assert.equal(await service.connections(), 1);
      assert.deepEqual(await page.errors(), []);
    });

    // In such a frame, locks, channels and storage exist but throw. The client works
    // without them.
    it("connects in a sandboxed frame", async (t) => {
      const { service, device } = await start(t, { BELLHOP_ALLOWED_ORIGINS: "null" });
      site.put("/sandbox", sandbox(service.origin, service.token("ada", "1h")));
      const tab = await (await device()).open(`${site.home}/sandbox`);
      const received = () => tab.run(() => received);
      await eventually(async () => (await received()).includes("open"), true);
      await service.publish("in the sandbox");
      await eventually(async () => (await received()).at(-1), "in the sandbox");
      assert.ok((await received()).length < 10, "attempts must wait for the backoff");
    });

    // Electron and WebViews have such pages. Their origin is null or file://.
    it("connects from a file", async (t) => {
      const { service, device } = await start(t, { BELLHOP_ALLOWED_ORIGINS: "null,file://" });
      const path = join(dir.path, "page.html");
      writeFileSync(path, connectingCode(service.origin, service.token("ada", "1h"), "window"));
      const tab = await (await device()).open(`file://${path}`);
      const received = () => tab.run(() => received);
      await eventually(async () => (await received()).includes("open"), true);
      await service.publish("in a file");
      await eventually(async () => (await received()).at(-1), "in a file");
    });

    it("connects even if the browser wrongly reports that it is offline", async (t) => {
      const { service, device } = await start(t);
      const tab = await (await device()).open(site.home);
      await tab.run((origin) => {
        Object.defineProperty(navigator, "onLine", { get: () => false });
        return begin(origin);
      }, service.origin);
      await eventually(() => tab.run(() => bell.state), "open");
      await service.publish("received nevertheless");
      await eventually(() => tab.run(() => titles), ["received nevertheless"]);
    });

    it("works in a module worker that goes offline and online", async (t) => {
      const { service, device } = await start(t);
      site.pages.set("/worker.js", worker(service.origin));
      const tab = await (await device()).open(site.home);
      await tab.run(() => {
        window.received = [];
        window.worker = new Worker("/worker.js", { type: "module" });
        worker.onmessage = ({ data }) => received.push(data);
        worker.onerror = ({ message }) => received.push(`error: ${message}`);
      });
      const received = () => tab.run(() => received);
      await eventually(async () => (await received()).includes("open"), true);
      await service.publish("one");
      await eventually(async () => (await received()).at(-1), "one");
      await tab.run(() => worker.postMessage("offline"));
      await tab.run(() => worker.postMessage("online"));
      await service.publish("two");
      await eventually(async () => (await received()).filter((text) => text === "two").length, 1);
      assert.deepEqual((await received()).filter((text) => text.startsWith("error")), []);
    });

    for (const statement of ["break", "throw new Error('ended')", "return"]) {
      it(`delivers the last notification of a loop again to the next page after ${statement.split(" ")[0]}`, async (t) => {
        const { service, device } = await start(t);
        const tab = await (await device()).open(site.home);
        await tab.run((origin, statement) => loop(origin, statement), service.origin, statement);
        await eventually(() => tab.run(() => bell.state), "open");
        await service.publish(["one", "two", "three", "four"]);
        await eventually(() => tab.run(() => arrived), 4);
        await tab.run(() => endAt("two"));
        await eventually(() => tab.run(() => ended), true);
        assert.deepEqual(await tab.run(() => looped), ["one", "two"]);
        await tab.go(site.home);
        await tab.run((origin) => loop(origin, ""), service.origin);
        await eventually(() => tab.run(() => looped), ["two", "three", "four"]);
      });
    }

    it("recovers in the pages of the READMEs if the token endpoint fails at first", async (t) => {
      const { service, device } = await start(t);
      const faults = ["502 in HTML", "an empty answer", "a login page", "a lost connection"].map((name) => TOKEN_FAULTS[name]);
      site.tokenRequests = 0;
      site.broken = (answer) => faults[site.tokenRequests % faults.length](answer);
      for (const [path, html] of Object.entries(readmePages(service))) site.put(path, html);
      const element = elementIn(await (await device()).open(`${site.home}/element-of-the-readme`));
      const client = await (await device()).open(`${site.home}/client-of-the-readme`);
      await new Promise((resolve) => setTimeout(resolve, FAULT_DURATION));
      assert.ok(site.tokenRequests > 2, "the endpoint must be called again");
      assert.ok(site.tokenRequests < 60, `${site.tokenRequests} calls of the endpoint: calls must wait for the backoff`);
      site.broken = undefined;
      await eventually(service.connections, 2, RECOVERY_TIMEOUT);
      await service.publish("at last");
      await eventually(element.badge, "1");
      await eventually(() => client.run(() => window.shown), ["at last"]);
      await element.click("[part=bell]");
      await eventually(element.titles, ["at last*"]);
    });
  });
}

/** Returns two pages that contain only the code of the READMEs. */
function readmePages(service) {
  const of = (path, fence) => blocks(readFileSync(new URL(path, import.meta.url), "utf8"), fence)[0].replaceAll("https://bell.example.com", service.origin);
  const client = of("../../README.md", "js");
  return {
    "/element-of-the-readme": of("../../internal/webui/client/README.md", "html"),
    "/client-of-the-readme": `<script>window.shown = []; const show = ({ title }) => shown.push(title);</script><script type="module">${client}</script>`,
  };
}

/** Returns code that connects and posts each state and title to a window. */
const connectingCode = (origin, token, window) => `<script>window.received = []; onmessage = ({ data }) => received.push(data);</script>
  <script type="module">
    import { connect } from "${origin}/client.js";
    const post = (text) => ${window}.postMessage(text, "*");
    const bell = connect({ url: "${origin}", token: () => "${token}" });
    post(bell.state);
    bell.on("state", ({ state }) => post(state));
    for await (const { title } of bell) post(title);
  </script>`;

/** Returns a page with a sandboxed frame that may only run scripts, and posts what it receives to the page. */
function sandbox(origin, token) {
  const frame = connectingCode(origin, token, "parent").replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<script>window.received = []; onmessage = ({ data }) => received.push(data);</script><iframe sandbox="allow-scripts" srcdoc="${frame}"></iframe>`;
}

/** Returns a module worker that posts each state and title to its page, and goes offline and online by messages of the page. */
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

/** Starts a proxy to the service that blocks WebSockets. */
async function withoutSockets(t, service) {
  const proxy = createServer((incoming, answer) => {
    const { method, headers } = incoming;
    const upstream = request(service.origin + incoming.url, { method, headers }, (response) => {
      answer.writeHead(response.statusCode, response.headers).flushHeaders();
      response.pipe(answer);
    });
    answer.on("close", () => upstream.destroy());
    incoming.pipe(upstream.on("error", () => answer.destroy()));
  });
  proxy.on("upgrade", (_, socket) => socket.destroy());
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  return `http://127.0.0.1:${proxy.address().port}`;
}
