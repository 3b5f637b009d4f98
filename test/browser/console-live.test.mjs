// Tests of the console with the real service, in Chromium and Firefox.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { audit } from "./audit.mjs";
import { Service } from "./client.mjs";
import { BROWSERS, ConsolePage } from "./console.mjs";
import { eventually } from "./demo.mjs";
import { binary, scratch, startService } from "./service.mjs";

const NOBODY = "http://127.0.0.1:9"; // the origin of the pages that may connect: none

for (const [name, start] of Object.entries(BROWSERS)) {
  describe(`the console of a real service in ${name}`, { timeout: 600_000 }, () => {
    let dir, bin, browser;
    before(async () => {
      dir = scratch();
      bin = binary(dir.path);
      browser = await start();
    });
    after(async () => {
      await browser?.close();
      dir?.remove();
    });

    // Starts the service, and opens its console. The end of the test stops it by a signal, and fails if the page had errors.
    async function open(t, { env = {}, end = "SIGTERM", ...options } = {}) {
      const data = scratch();
      const service = new Service(bin, data.path, NOBODY, "", env);
      await service.start();
      const page = await ConsolePage.open(browser, service.admin, options);
      t.after(async () => {
        await page.close(); // before the service stops, or the page would report errors
        await service.stop(end);
        data.remove();
        assert.deepEqual(page.errors, []);
      });
      return { service, page };
    }

    // Opens an event stream as a user, and returns a function that ends it. closed resolves at its end.
    async function listen(service, user) {
      const stop = new AbortController();
      const headers = { Authorization: `Bearer ${service.token(user, "1h")}` };
      const answer = await fetch(`${service.origin}/events`, { headers, signal: stop.signal });
      const reader = answer.body.getReader();
      const closed = (async () => {
        for (;;) if ((await reader.read()).done) return;
      })().catch(() => {});
      return { close: () => stop.abort(), closed };
    }

    it("needs no token on this machine, and shows what the service does", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      await page.shows("#who", "You act as console, from this machine.");
      const ada = await listen(service, "ada");
      t.after(ada.close);
      await eventually(() => page.figure("connections"), "1");
      assert.equal((await page.legend("Connections")).events, "1");
      await service.publish(Array.from({ length: 50 }, (_, i) => `number ${i}`));
      await eventually(async () => Number(await page.figure("publishes")) > 0, true);
      await eventually(async () => (await page.legend("Store")).notifications !== "0 B", true);
      assert.match(await page.figure("publish"), /ms$/);
      await page.shows("#audit-count", "0 lines");
    });

    it("follows a test notification from the form to its story", async (t) => {
      const { service, page } = await open(t, { hash: "#send" });
      await page.ready();
      const ada = await listen(service, "ada");
      t.after(ada.close);
      await page.fill("#send [name=name]", "ada");
      await page.fill("#send [name=title]", "Is it there?");
      await page.click("Send", "#send");
      await page.matches("#send-answer", /^Stored as [0-9a-f-]{36}\./);
      const [, id] = /([0-9a-f-]{36})/.exec(await page.text("#send-answer"));
      await page.matches("#audit-lines", new RegExp(`publish done by console on ${id}`));
      await page.click(id, "#send-answer");
      await page.shows("#view-notification h2", "Is it there?");
      await eventually(async () => { // delivery is recorded after the answer
        await page.goTo(`#user=ada`);
        await page.showsAll(".inbox a", ["Is it there?"]);
        await page.goTo(`#notification=${id}&user=ada`);
        await page.matches(".of-user", /connection open now/);
        return /^ada Delivered to a device\./.test(await page.text(".of-user"));
      }, true);
      assert.match(await page.text("[aria-label='What became of it']"), /Published by console to 1 user\./);

      await service.ask("POST", "/inbox/read", { ids: [id] });
      await page.lookUp("ada");
      await page.matches(".inbox", /Is it there\? read/);
      await page.lookUp(id);
      await page.matches(".of-user", /Read\./);
      await audit(page.page);
      await page.click("Recall", "#view-notification");
      await page.click("Recall", "#confirm");
      await page.matches("#view-notification", /It was recalled from every inbox\./);
      await page.matches("#audit-lines", new RegExp(`recall done by console on ${id}`));
      await page.goTo("#user=ada"); // whose inbox has it no more
      await page.matches("[aria-label=Inbox]", /Nothing is listed\./);
      await audit(page.page);
      await page.fill("#view-user [name=id]", id);
      await page.click("What became of it?", "#view-user");
      await page.matches(".of-user", /recalled/i);
      await page.goTo("#user=ada");
      await page.matches(".removed li", /recalled It was recalled from the inbox\. .*, read until then$/);
      await page.click("console.test", ".removed");
      await page.matches(".of-user", /recalled/i);
      await page.goTo("#live");
      await audit(page.page);
    });

    it("looks up, disconnects and revokes a user", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      await service.ask("POST", "/topics/news/members", { add: ["ada"] }, service.token("backend", "1h", "notify:topics"));
      await service.ask("PUT", "/preferences", { rules: [{ type: "digest.*", level: "off" }] });
      await service.publish(["one", "two"]);
      const ada = await listen(service, "ada");
      await page.lookUp("ada");
      await page.showsAll(".inbox a", ["two", "one"]);
      await page.matches("[aria-label=Connections]", /events on .* from 127\.0\.0\.1/);
      await page.showsAll("[aria-label=Topics] li", ["news"]);
      await page.showsAll("[aria-label=Preferences] li", ["off type digest.*"]);

      await page.click("Disconnect", "#view-user");
      await page.click("Disconnect", "#confirm");
      await ada.closed;
      await page.matches("[aria-label=Connections]", /ada has no open connection/);
      await page.matches("#audit-lines", /disconnect done by console/);
      await page.click("Audit lines", "#view-user"); // lines that users cause have the hash alone
      await eventually(async () => (await page.texts("#audit-lines .action")).sort(), ["connection", "disconnect", "log-user"]);
      const hash = await page.text("#view-user .hash code");
      assert.match(hash, /^[0-9a-f]{16}$/);
      await page.fill("#audit-text", hash);
      await eventually(async () => (await page.texts("#audit-lines .action")).sort(), ["connection", "log-user"]);

      const token = service.token("ada", "1h");
      await page.click("Revoke tokens", "#view-user");
      await page.click("Revoke tokens", "#confirm");
      await page.shows("#notice-text", "Revoked the tokens of ada.");
      const answer = await fetch(`${service.origin}/inbox`, { headers: { Authorization: `Bearer ${token}` } });
      assert.equal(answer.status, 401);
      assert.match((await answer.json()).type, /token-revoked$/);
    });

    it("shows hostile text as text, within the width of a phone", async (t) => {
      const { service, page } = await open(t, { width: 390, height: 844, phone: true });
      await page.ready();
      const evil = `<img/src=x/onerror=window.hit=1><svg/onload=window.hit=2>"'&{{7*7}}\u202E${"x".repeat(90)}`;
      const long = `${evil} <script>window.hit=3</script> ${"\u202Eمرحبا".repeat(9)}`;
      const harmless = async (view) => {
        const found = await page.run(() => ({
          hit: window.hit ?? null, made: document.querySelectorAll("img, iframe, script:not([src]), svg[onload]").length,
          links: [...document.querySelectorAll("a")].map((a) => a.protocol).filter((protocol) => protocol !== "http:"),
          wide: document.documentElement.scrollWidth - innerWidth,
        }));
        assert.deepEqual({ ...found, wide: Math.max(0, found.wide) }, { hit: null, made: 0, links: [], wide: 0 }, view);
        await page.screenshot(join(process.env.SCREENSHOTS ?? dir.path, `console-hostile-${view}-${name}.png`));
      };
      const draft = {
        to: { users: [evil] }, type: "test", title: long, body: long.repeat(5), url: `https://example.com/${"x".repeat(500)}?'onclick=window.hit=4`, collapse_key: "k".repeat(64),
        actions: [{ title: evil.slice(0, 60), url: "/'onclick=window.hit=4" }], data: { [long]: long },
      };
      const { id } = await service.ask("POST", "/notify", draft, service.token("backend", "1h", "notify:publish"));
      const eve = await listen(service, evil);
      t.after(eve.close);
      await page.lookUp(evil);
      await page.matches("[aria-label=Inbox]", /<script>window\.hit=3/);
      await page.matches("[aria-label=Connections]", /events on/);
      await page.click("Audit lines", "#view-user");
      await harmless("user");
      await page.click("Disconnect", "#view-user");
      await page.matches("#confirm", /<img\/src=x/);
      await harmless("dialog");
      await page.click("Disconnect", "#confirm");
      await page.matches("#notice-text", /^Disconnected <img/);
      await page.matches("#audit-lines", /disconnect done by console on <img/);
      await page.matches("[aria-label=Connections]", /has no open connection/);
      await harmless("notice and audit line");
      await page.goTo(`#notification=${id}`);
      await page.matches(".of-user", /^<img\/src=x/);
      await page.matches("[aria-label=Content]", /"<img\/src=x/);
      await harmless("notification");
      await page.goTo("#send");
      for (const [field, value] of Object.entries({ name: evil, title: long, url: "javascript:window.hit=5" })) await page.fill(`#send [name=${field}]`, value);
      await page.click("Send", "#send");
      await page.matches("#send-answer", /^422 .*\/url: /);
      await page.fill("#send [name=to]", "topic");
      await page.click("Send", "#send");
      await page.matches("#send-answer", /^422 .*\/to\/topics/);
      await harmless("send");
      await page.goTo("#revoke");
      await page.fill("#revoke-token [name=jti]", evil);
      await page.fill("#revoke-token [name=issuer]", evil);
      await page.press("Enter");
      await page.click("Revoke token", "#confirm");
      await page.matches("#confirm-answer", /^422 /);
      await harmless("revoke");
    });

    it("shows the detail of a problem", async (t) => {
      const { page } = await open(t, { hash: "#revoke" });
      await page.ready();
      await page.fill("#revoke-token [name=jti]", "5f0c1a52");
      await page.fill("#revoke-token [name=issuer]", "https://nobody.example.com");
      await page.press("Enter");
      await page.click("Revoke token", "#confirm");
      await page.matches("#confirm-answer", /^422 .*\/issuer: must be an issuer/);
    });

    it("requires a token if the settings say so, and lets it go when it is revoked", async (t) => {
      const { service, page } = await open(t, { env: { BELLHOP_CONSOLE: "on" } });
      await page.shows("#signin h1", "Sign in");
      await page.type(service.token("mallory", "1h", "notify:publish"));
      await page.press("Enter");
      await page.matches("#signin-problem", /^403 .*notify:admin/);
      await page.type(service.token("operator", "1h", "notify:admin"));
      await page.press("Enter");
      await page.ready();
      await page.matches("#who", /operator/);
      await page.goTo("#send");
      await page.fill("#send [name=name]", "ada");
      await page.click("Send", "#send");
      await page.matches("#send-answer", /^403 .*notify:publish/);
      await page.goTo("#user=operator");
      await page.click("Revoke tokens", "#view-user");
      await page.click("Revoke tokens", "#confirm");
      await page.shows("#signin h1", "Sign in");
      assert.deepEqual(await page.run(() => Object.values(sessionStorage)), []);
    });

    it("says that the service was killed, reconnects by itself, and continues", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      const [id] = await service.publish(["before"]);
      await service.stop("SIGKILL");
      await page.matches("#trouble", /^No connection since .*Next attempt in \d+ s/);
      await page.shows("#status", "Unknown");
      await service.start();
      await page.ready();
      await eventually(() => page.text("#trouble"), undefined);
      await service.publish(["after"]);
      await eventually(async () => Number(await page.figure("publishes")) > 0, true);
      await page.lookUp("ada");
      await page.showsAll(".inbox a", ["after", "before"]);
      await page.lookUp(id);
      await page.shows("#view-notification h2", "before");
      page.errors.length = 0; // some browsers report the lost connection
    });

    it("says that the node drains, and that it still carries actions out", async (t) => {
      const { service, page } = await open(t, { env: { BELLHOP_DRAIN_DELAY: "600" }, end: "SIGKILL" });
      await page.ready();
      const ada = await listen(service, "ada");
      t.after(ada.close);
      const stopped = service.stop();
      try {
        await page.shows("#status", "Not ready this node is stopping");
        await page.goTo("#user=ada");
        await page.matches("[aria-label=Connections]", /events on .* from 127\.0\.0\.1/);
        await page.click("Disconnect", "#view-user");
        await page.click("Disconnect", "#confirm");
        await page.shows("#notice-text", "Disconnected ada.");
        await ada.closed;
        await page.matches("#audit-lines", /disconnect done by console on ada/);
        await page.matches("[aria-label=Connections]", /ada has no open connection/);
      } finally {
        await service.stop("SIGKILL"); // within the delay
        await stopped;
      }
      await page.matches("#trouble", /^No connection since /);
      await service.start();
      await page.ready();
      page.errors.length = 0; // some browsers report the lost connection
    });

    it("comes back after a restart of the service", async (t) => {
      const { service, page } = await open(t);
      await page.ready();
      await service.stop();
      await page.matches("#trouble", /^No connection since .*Next attempt in \d+ s/);
      await service.start();
      await page.click("Try now");
      await page.ready();
      page.errors.length = 0; // some browsers report the lost connection
    });
  });
}

// With UPDATE_SCREENSHOT, the picture has ten minutes of the demo's traffic.
describe("the console of the demo", { timeout: 900_000 }, () => {
  it("provides the screenshot for the README", async (t) => {
    const dir = scratch();
    t.after(dir.remove);
    const browser = await BROWSERS.Chromium();
    t.after(() => browser.close());
    const service = await startService(binary(dir.path), { traffic: true });
    t.after(() => service.stop());
    const page = await ConsolePage.open(browser, service.console, { scheme: "dark", width: 1360, height: 1095 });
    t.after(page.close);
    await page.ready();
    const update = Boolean(process.env.UPDATE_SCREENSHOT);
    await page.matches("[data-figure=uptime]", update ? /^10 min$/ : /^\d+ s$/, 800_000);
    await eventually(async () => Number(await page.figure("deliveries")) > 0 && /ms$/.test(await page.figure("delivery")), true, 60_000);
    await eventually(async () => (await page.texts("#audit-lines li")).length > 0, true, 60_000);
    const path = update ? new URL("console.png", import.meta.url).pathname : join(dir.path, "console.png");
    const picture = await page.screenshot(path);
    assert.ok(picture.length > 50_000, `${picture.length} bytes`);
    assert.deepEqual(page.errors, []);
  });
});
