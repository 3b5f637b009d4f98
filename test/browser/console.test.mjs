// Tests of the console's page in Chromium and Firefox, with a service whose answers the tests choose.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { audit } from "./audit.mjs";
import { BROWSERS, ConsolePage } from "./console.mjs";
import { ConsoleService, sampleAt, samples } from "./console-service.mjs";
import { ada, ID, lineAt } from "./console-data.mjs";
import { eventually } from "./demo.mjs";
import { scratch } from "./service.mjs";

const PHONE = { width: 390, height: 844, phone: true };
const VIEWS = { live: "", user: "#user=ada", notification: `#notification=${ID}`, send: "#send", revoke: "#revoke" };

for (const [name, start] of Object.entries(BROWSERS)) {
  describe(`the console in ${name}`, { timeout: 600_000 }, () => {
    let browser, dir;
    before(async () => {
      dir = scratch();
      browser = await start();
    });
    after(async () => {
      await browser?.close();
      dir?.remove();
    });

    // Starts a service for the test, and opens the page. The end of the test fails if the page had errors.
    async function open(t, { prepare = () => {}, ...options } = {}) {
      const service = await ConsoleService.start();
      t.after(() => service.close());
      service.history = samples(600);
      service.answers = ada();
      prepare(service);
      const page = await ConsolePage.open(browser, service.origin, options);
      t.after(async () => {
        await page.close();
        assert.deepEqual(page.errors, []);
      });
      return { service, page };
    }

    const next = (service, more = {}) => service.sample({ ...sampleAt(service.history.at(-1).time + 1000), ...more });

    it("shows whether the service is ready, and its numbers, each second", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      next(service, { connections: { websocket: 41, events: 1 }, connections_limit: 10_000 });
      await eventually(() => page.figure("connections"), "42");
      assert.equal(await page.figure("limit"), "of 10k");
      assert.equal(await page.figure("node"), "a");
      assert.equal(await page.figure("version"), "v1.2.3");
      assert.match(await page.figure("uptime"), /^\d+ d/);
      assert.match(await page.figure("delivery"), /^[\d.]+ \/ [\d.]+ ms$/);
      for (let i = 0; i < 5; i++) next(service, { publishes: { stored: 12 }, deliveries: 240, publish_ms: { p50: 0.4, p99: 2 } });
      await eventually(() => page.figure("deliveries"), "240");
      assert.equal(await page.figure("publishes"), "12");
      assert.equal(await page.figure("publish"), "0.4 / 2 ms");
      assert.equal(await page.run(() => document.title), "a – bellhop console");

      next(service, { ready: false, reason: "disk below reserve" });
      await page.shows("#status", "Not ready disk below reserve");
      next(service);
      await page.shows("#status", "Ready");
    });

    it("draws charts, with the current values as text", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      next(service, { closes: { "4408 slow": 3 }, disk: { free_bytes: 3 * 2 ** 30, reserve_bytes: 2 ** 28 }, process: { goroutines: 51 } });
      await eventually(async () => (await page.legend("Closes per second"))["4408 slow"], "3");
      assert.deepEqual(await page.legend("Disk"), { free: "3 GiB", reserve: "256 MiB" });
      assert.deepEqual(await page.legend("Goroutines and files"), { goroutines: "51", "open files": "–" });
      await page.run(() => document.querySelector(".panel:last-child").scrollIntoView());
      const empty = await page.run(() => [...document.querySelectorAll(".panel:not([hidden])")].filter((panel) => {
        const canvas = panel.querySelector("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(data).size < 8;
      }).map((panel) => panel.querySelector("h3").textContent));
      assert.deepEqual(empty, []);
      const unnamed = await page.run(() => [...document.querySelectorAll(".plot")].filter((plot) => !plot.getAttribute("aria-label")?.includes("ten minutes")).length);
      assert.equal(unnamed, 0);
    });

    it("moves one crosshair through all charts, with the pointer and with keys", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      const end = service.history.at(-1);
      service.sample({ ...sampleAt(end.time + 1000), deliveries: 7, process: { goroutines: 7 } });
      service.sample({ ...sampleAt(end.time + 2000), deliveries: 9, process: { goroutines: 9 } });
      await eventually(async () => (await page.legend("Deliveries per second")).delivered, "9");
      await page.page.focus("#charts");
      await page.press("ArrowLeft");
      await eventually(async () => (await page.legend("Deliveries per second")).delivered, "7");
      assert.equal((await page.legend("Publishes per second")).stored, String(sampleAt(end.time + 1000).publishes.stored)); // charts out of sight are not drawn
      assert.match(await page.text("#at"), /^At \d\d:\d\d:\d\d$/);
      assert.match(await page.run(() => document.getElementById("spoken").textContent), /Deliveries per second: delivered 7/);
      await page.press("Escape");
      await eventually(async () => (await page.legend("Deliveries per second")).delivered, "9");

      await page.page.hover(".panel:nth-child(2) .u-over");
      await page.matches("#at", /^At /);
      const visible = await page.run(() => [...document.querySelectorAll(".panel:not([hidden]) .u-cursor-x")].filter((line) => !line.matches(".u-off")).length);
      assert.equal(visible, await page.run(() => document.querySelectorAll(".panel:not([hidden])").length));
    });

    it("keeps everything in its place when numbers become longer or shorter", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      const places = () => page.run(() => [...document.querySelectorAll(".plot, .figures > div")].map((one) => one.getBoundingClientRect()).map(({ left, top }) => [Math.round(left), Math.round(top)]));
      const show = async (ms, n) => {
        const latency = { p50: ms, p95: ms, p99: ms };
        for (let i = 0; i < 5; i++) next(service, { publish_ms: latency, delivery_ms: latency, sync_ms: latency, commit: { groups: n, entries: n, p50_ms: ms, p99_ms: ms }, deliveries: n, publishes: { stored: n } });
        await eventually(() => page.figure("deliveries"), String(n));
        await eventually(async () => (await page.legend("Publish to answer")).p99, `${ms} ms`);
        return places();
      };
      await show(12.3, 40); // new names in a legend may need another line
      assert.deepEqual(await show(1, 4), await show(12.3, 40));
    });

    it("stands still while it is paused", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      next(service, { deliveries: 1 });
      await eventually(async () => (await page.legend("Deliveries per second")).delivered, "1");
      await page.click("Pause");
      for (let i = 0; i < 5; i++) next(service, { deliveries: 2 });
      await eventually(() => page.figure("deliveries"), "2"); // the strip goes on
      assert.equal((await page.legend("Deliveries per second")).delivered, "1");
      await page.page.focus("#charts");
      await page.press("ArrowLeft"); // draws what is shown
      await page.press("ArrowRight");
      assert.equal((await page.legend("Deliveries per second")).delivered, "1");
      await page.press("Escape");
      await page.click("Pause");
      await eventually(async () => (await page.legend("Deliveries per second")).delivered, "2");
    });

    it("lists the nodes of a cluster", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      assert.equal(await page.text("#nodes"), undefined);
      assert.equal(await page.text("#chart-lag"), undefined); // of a node on its own
      next(service, { lag_seconds: 0, nodes: [
        { name: "a", ready: true, sequence: 77, lag_seconds: 0, connections: 12_345, version: "v1.2.3", this: true },
        { name: "b", ready: false, reason: "behind", sequence: 70, lag_seconds: 65, connections: 7, version: "v1.2.2" },
        { name: "c" },
      ] });
      await page.showsAll("#nodes tbody tr", ["a this node ready 12.3k 77 0 s v1.2.3", "b not ready behind 7 70 1 min v1.2.2", "c not ready – – – –"]);
      assert.deepEqual(await page.legend("Lag"), { "this node": "0 ms", "last of the others": "65 s" });
      next(service, { nodes: [{ name: "a", ready: true, sequence: 78, lag_seconds: 0, version: "v1.2.3", this: true }] });
      await eventually(async () => (await page.texts("#nodes tbody tr")).map((row) => row.replace(/\d\d:\d\d:\d\d/, "…")), [
        "a this node ready – 78 0 s v1.2.3", "b gone not heard of since … – 70 – v1.2.2", "c gone not heard of since … – – – –",
      ]);
    });

    it("says plainly that the stream is lost, and reconnects by itself", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      service.open = false;
      service.drop();
      await page.matches("#trouble", /^No connection since \d\d:\d\d:\d\d: .*Next attempt in \d+ s\. Try now$/);
      await page.shows("#status", "Unknown");
      await page.matches("#trouble", /503 too many consoles are open/);
      service.history = [...service.history.slice(1), sampleAt(Date.now() + 1000)];
      service.open = true;
      await page.ready();
      assert.equal(await page.text("#trouble"), undefined);
      assert.equal(service.watchers, 1);

      service.open = false;
      service.drop();
      await page.matches("#trouble", /Next attempt/);
      service.open = true;
      await page.click("Try now");
      await page.ready();
    });

    it("asks for a token if the service requires one, and keeps it in the tab", async (t) => {
      const { service, page } = await open(t, { hash: "#user=ada", prepare: (service) => void (service.token = "secret") });
      await page.shows("#signin h1", "Sign in");
      assert.equal(await page.text("#main"), undefined);
      assert.equal(await page.focused(), "signin-token");
      await page.type("wrong");
      await page.press("Enter");
      await page.shows("#signin-problem", "401 Not authenticated: the token is not valid");
      await page.type("Bearer secret"); // as it is copied from a header
      await page.press("Enter");
      await page.shows("#view-user h2", "ada"); // the address that was opened
      assert.equal(await page.text("#signin"), undefined);
      const kept = await page.run(() => [Object.values(sessionStorage), Object.values(localStorage).includes("secret"), document.cookie, document.getElementById("signin-token").value]);
      assert.deepEqual(kept, [["secret"], false, "", ""]);
      await page.page.reload();
      await page.shows("#view-user h2", "ada");

      service.token = "another"; // the token expires
      await page.lookUp("grace");
      await page.shows("#signin h1", "Sign in");
      await eventually(() => service.watchers, 0);
      await page.type("another");
      await page.press("Enter");
      await page.shows("#view-user h2", "grace");
      await page.click("Sign out");
      await page.shows("#signin h1", "Sign in");
      assert.deepEqual(await page.run(() => Object.values(sessionStorage)), []);
    });

    it("shows audit lines at once, newest first, and finds them", async (t) => {
      const { service, page } = await open(t, { prepare: (service) => (service.lines = [lineAt(1, { action: "revoke" }), lineAt(2)]) });
      await page.showsAll("#audit-lines .action", ["recall", "revoke"]);
      service.send("audit", lineAt(3, { action: "disconnect", outcome: "refused", problem: "scope", reason: "needs notify:admin", repeated: 2 }));
      await page.showsAll("#audit-lines .action", ["disconnect", "recall", "revoke"]);
      assert.match((await page.texts("#audit-lines li"))[0], /disconnect ×3 refused needs notify:admin by user:operator/);
      await page.fill("#audit-text", "REVOKE operator");
      await page.showsAll("#audit-lines .action", ["revoke"]);
      await page.shows("#audit-count", "1 of 3 lines");
      await page.fill("#audit-text", "");
      await page.fill("#audit-outcome", "refused");
      await page.showsAll("#audit-lines .action", ["disconnect"]);
      await page.fill("#audit-outcome", "");

      service.lines.push(lineAt(3, { action: "disconnect", outcome: "refused", problem: "scope", reason: "needs notify:admin", repeated: 2 }));
      service.drop(); // and they are sent again
      await eventually(() => service.watchers, 0);
      await eventually(() => service.watchers, 1);
      service.send("audit", lineAt(4, { action: "reload" }));
      await page.showsAll("#audit-lines .action", ["reload", "disconnect", "recall", "revoke"]);
      await page.click(ID, "#audit-lines"); // the target of the recall
      await page.shows("#view-notification .mono", ID);
    });

    it("does not grow without bound", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      const nodes = () => page.run(() => document.querySelectorAll("*").length);
      for (let i = 0; i < 200; i++) service.send("audit", lineAt(i));
      await eventually(async () => (await page.texts("#audit-lines li")).length, 100);
      const before = await nodes();
      const last = service.history.at(-1).time;
      for (let i = 1; i <= 1500; i++) service.send("sample", { ...sampleAt(last + i * 1000), closes: { [`reason ${i}`]: 1 }, deliveries: i });
      for (let i = 200; i < 2000; i++) service.send("audit", lineAt(i));
      await page.shows("#audit-count", "500 lines");
      await eventually(async () => (await page.legend("Deliveries per second")).delivered, "1,500");
      assert.ok((await nodes()) <= before + 20, `${await nodes()} elements, and ${before} before`);
      assert.ok(Object.keys(await page.legend("Closes per second")).length <= 6);
    });

    it("prefers the selected theme to the system's, even after a reload", async (t) => {
      const { page } = await open(t);
      const paper = () => page.run(() => getComputedStyle(document.body).backgroundColor);
      const light = await paper();
      await page.click("Switch between light and dark");
      const dark = await paper();
      assert.notEqual(dark, light);
      await page.page.reload();
      await page.ready();
      assert.equal(await paper(), dark);
    });

    it("moves nothing if the user prefers less motion", async (t) => {
      const { page } = await open(t);
      await page.ready();
      const moving = await page.run(() => [...document.querySelectorAll("*")].filter((one) => {
        const { transitionDuration, animationName } = getComputedStyle(one);
        return transitionDuration.split(", ").some((duration) => parseFloat(duration) > 0) || animationName !== "none";
      }).length);
      assert.equal(moving, 0);
    });

    for (const [kind, options] of Object.entries({ light: { scheme: "light" }, dark: { scheme: "dark" }, "light phone": { scheme: "light", ...PHONE }, "dark phone": { scheme: "dark", ...PHONE } })) {
      it(`is accessible and fits, ${kind}`, async (t) => {
        const { service, page } = await open(t, { ...options, prepare: (service) => (service.lines = [lineAt(1), lineAt(2, { outcome: "refused", reason: "x".repeat(300) })]) });
        await page.ready();
        next(service, { nodes: [{ name: "a", ready: true, version: "v1", this: true, cut_off: "x".repeat(300) }, { name: "b".repeat(80) }] });
        const check = async (view) => {
          await page.screenshot(join(process.env.SCREENSHOTS ?? dir.path, `console-${name}-${view}-${kind}.png`));
          await audit(page.page);
          const { width, inner } = await page.run(() => ({ width: document.documentElement.scrollWidth, inner: innerWidth }));
          assert.ok(width <= (options.width ?? inner), `${view}: ${width} px wide`);
        };
        for (const [view, hash] of Object.entries(VIEWS)) {
          await page.goTo(hash || "#live");
          if (view === "user") await page.matches("#view-user .inbox", /Grace commented/);
          if (view === "notification") await page.matches("#view-notification", /Users ada/);
          await check(view);
        }
        await page.goTo("#user=ada");
        await page.matches("#view-user .inbox", /Grace commented/);
        await page.click("Disconnect", "#view-user");
        await page.shows("#confirm h2", "Disconnect ada?");
        await check("dialog");
        await page.press("Escape");
        service.open = false;
        service.drop();
        await page.matches("#trouble", /Next attempt/);
        await check("lost");
        service.token = "secret";
        service.open = true;
        await page.shows("#signin h1", "Sign in");
        await check("sign in");
      });
    }
  });
}
