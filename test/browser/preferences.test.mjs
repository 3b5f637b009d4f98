// Tests <bellhop-preferences> against the real service in Chromium, Firefox and WebKit: what
// users choose holds in <bellhop-inbox>, on all devices, and other preferences stay.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { audit } from "./audit.mjs";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { ENGINES } from "./engines.mjs";
import { openPreferences, preferencesIn, PREFERENCES_PAGE } from "./preferences.mjs";
import { binary, scratch } from "./service.mjs";
import { Site } from "./site.mjs";

for (const name of Object.keys(ENGINES)) {
  describe(`<bellhop-preferences> in ${name}`, { timeout: 300_000 }, () => {
    let dir, bin, engine, site;
    before(async () => {
      dir = scratch();
      bin = binary(dir.path);
      site = await Site.open();
      site.put("/preferences", PREFERENCES_PAGE);
      engine = await ENGINES[name]();
    });
    after(async () => {
      await engine?.close();
      site?.close();
      dir?.remove();
    });

    /** Starts a service; returns it and a function that opens the page on a new device. The end of the test stops all of them. */
    async function start(t) {
      const data = scratch();
      const cleanup = [data.remove]; // steps of the cleanup, run in reverse order
      t.after(async () => {
        for (const step of cleanup.reverse()) await step();
        site.broken = undefined;
      });
      const service = new Service(bin, data.path, site.home);
      cleanup.push(() => service.stop());
      await service.start();
      site.sign = (user) => service.token(user, "1h");
      const device = async () => {
        const opened = await engine.device();
        cleanup.push(opened.close);
        return opened;
      };
      return { service, device, page: async () => openPreferences(await device(), site, service.origin) };
    }

    it("turns a kind of notifications off and on again, on all devices", async (t) => {
      const { service, page } = await start(t);
      const phone = await page();
      const desktop = await page();
      for (const { openInbox } of [phone, desktop]) await openInbox();
      await service.publish("Grace commented", { type: "comment.created" });
      await service.publish("Build failed", { type: "build.failed" });
      for (const { titles } of [phone, desktop]) await eventually(titles, ["Build failed*", "Grace commented*"]);

      await phone.choose("Comments", "Off");
      for (const { titles, levels } of [phone, desktop]) {
        await eventually(titles, ["Build failed*"]);
        await eventually(levels, ["Off", "On", "On"]);
      }
      await service.publish("Edith commented", { type: "comment.created" });
      await service.publish("Build passed", { type: "build.passed" });
      for (const { titles } of [phone, desktop]) await eventually(titles, ["Build passed*", "Build failed*"]);

      await desktop.choose("Comments", "On");
      for (const { titles, levels } of [phone, desktop]) {
        await eventually(async () => (await titles()).includes("Grace commented*"), true);
        await eventually(levels, ["On", "On", "On"]);
      }
      await service.publish("Alan commented", { type: "comment.created" });
      for (const { titles } of [phone, desktop]) await eventually(async () => (await titles())[0], "Alan commented*");
      await eventually(() => service.ask("GET", "/preferences"), { rules: [] });
      assert.deepEqual([await phone.errors(), await desktop.errors()], [[], []]);
    });

    it("keeps the changes of other tabs, and the rules of other pages", async (t) => {
      const { service, device } = await start(t);
      const other = { type: "security.*", level: "alert" };
      await service.ask("PUT", "/preferences", { rules: [other, { topic: "team.*", level: "silent" }] });
      const browser = await device();
      const tabs = [await openPreferences(browser, site, service.origin), await openPreferences(browser, site, service.origin)];
      await Promise.all([tabs[0].choose("Comments", "Silent"), tabs[1].choose("Project 7", "Off"), tabs[0].choose("Builds", "Silent")]);
      const text = (rules) => rules.map(({ type, topic, level }) => `${type ?? topic} ${level}`);
      const stored = async () => text((await service.ask("GET", "/preferences")).rules);
      await eventually(async () => (await stored()).sort(), ["build.* silent", "comment.* silent", "project.7 off", "security.* alert", "team.* silent"]);
      assert.deepEqual((await stored()).slice(0, 3), ["security.* alert", "team.* silent", "project.7 off"], "other rules stay first, and the stricter one comes first");
      await eventually(tabs[0].levels, ["Silent", "Off", "Silent"]);
    });

    it("sets a level in spite of an earlier, wider rule", async (t) => {
      const { service, page } = await start(t);
      await service.ask("PUT", "/preferences", { rules: [{ level: "off" }] });
      const desktop = await page();
      await eventually(desktop.levels, ["Off", "Off", "Off"]);
      await desktop.choose("Comments", "On");
      await eventually(() => service.ask("GET", "/preferences"), { rules: [{ type: "comment.*", level: "alert" }, { level: "off" }] });
      await desktop.openInbox();
      await service.publish("Build failed", { type: "build.failed" });
      await service.publish("Grace commented", { type: "comment.created" });
      await eventually(desktop.titles, ["Grace commented*"]);
    });

    it("shows why a change was not stored, and undoes it", async (t) => {
      const { service, page } = await start(t);
      const rules = Array.from({ length: 100 }, (_, i) => ({ type: `n${i}`, level: "off" }));
      await service.ask("PUT", "/preferences", { rules });
      const desktop = await page();
      await desktop.choose("Comments", "Off");
      await eventually(desktop.note, "Not saved. rules must have at most 100 items");
      assert.deepEqual(await desktop.levels(), ["On", "On", "On"]);
      await service.stop();
      await desktop.choose("Builds", "Off");
      await eventually(desktop.note, "Not saved. No connection.");
      assert.deepEqual(await desktop.levels(), ["On", "On", "On"]);
      await service.start();
      assert.equal((await service.ask("GET", "/preferences")).rules.length, 100);
    });

    if (name === "WebKit") return; // its tabs have no keyboard and no screenshots

    it("can be used after a login, without a change of the layout", async (t) => {
      const { service, device } = await start(t);
      await service.ask("PUT", "/preferences", { rules: [{ type: "comment.*", level: "silent" }] });
      site.broken = (answer) => answer.end("null");
      const tab = await (await device()).open(`${site.home}/preferences?${encodeURIComponent(service.origin)}`);
      const page = preferencesIn(tab);
      await eventually(page.note, "You are not logged in.");
      assert.deepEqual([await page.levels(), await page.enabled()], [[null, null, null], false]);
      const below = () => tab.run(() => document.querySelector("footer").getBoundingClientRect().top);
      const top = await below();
      site.broken = undefined;
      await page.focus("[part=retry]");
      await tab.page.keyboard.press("Enter");
      await eventually(page.levels, ["Silent", "On", "On"]);
      assert.deepEqual([await page.enabled(), await below(), await page.note()], [true, top, ""]);
      assert.equal(await page.focused(), "Comments: Off");
      assert.deepEqual(await page.errors(), []);
    });

    it("can be operated by keyboard", async (t) => {
      const { service, page } = await start(t);
      const desktop = await page();
      const press = (...keys) => keys.reduce((before, key) => before.then(() => desktop.tab.page.keyboard.press(key)), Promise.resolve());
      await desktop.focus("[type=radio]:checked");
      assert.equal(await desktop.focused(), "Comments: On");
      await press("ArrowLeft");
      await eventually(desktop.levels, ["Silent", "On", "On"]);
      assert.equal(await desktop.focused(), "Comments: Silent");
      await press("Tab", "ArrowLeft", "ArrowLeft", "Tab", "Tab");
      await eventually(desktop.levels, ["Silent", "Off", "On"]);
      assert.equal(await desktop.focused(), "Quiet hours");
      await press(" ");
      await eventually(desktop.quiet, ["22:00", "07:00"]);
      await press("Tab");
      assert.equal(await desktop.focused(), "From");
      const zone = await desktop.tab.run(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
      const stored = (from) => ({
        rules: [{ topic: "project.7", level: "off" }, { type: "comment.*", level: "silent" }],
        quiet: { from, to: "07:00", zone },
      });
      await eventually(() => service.ask("GET", "/preferences"), stored("22:00"));
      await press("ArrowUp"); // the hour
      await eventually(() => service.ask("GET", "/preferences"), stored("23:00"));
      assert.equal(await desktop.focused(), "From");
      assert.deepEqual(await desktop.errors(), []);
    });

    for (const [look, scheme, width, height] of [["light", "light", 760, 620], ["dark", "dark", 760, 620], ["phone", "light", 360, 700]]) {
      it(`is accessible, ${look}`, async (t) => {
        const { service, device } = await start(t);
        const quiet = { from: "22:00", to: "07:00", zone: "Europe/Berlin" };
        await service.ask("PUT", "/preferences", { rules: [{ topic: "project.7", level: "off" }, { type: "comment.*", level: "silent" }], quiet });
        const desktop = await openPreferences(await device(), site, service.origin, scheme);
        await (desktop.tab.page.setViewportSize ?? desktop.tab.page.setViewport).call(desktop.tab.page, { width, height });
        await eventually(desktop.levels, ["Silent", "Off", "On"]);
        await audit(desktop.tab.page);
        assert.ok(await desktop.tab.run(() => document.documentElement.scrollWidth <= innerWidth), "the page must not scroll sideways");
        await desktop.focus("[type=radio]:checked");
        await desktop.tab.page.screenshot({ path: join(process.env.SCREENSHOTS ?? dir.path, `preferences-${name.toLowerCase()}-${look}.png`) });
        await desktop.toggle();
        await eventually(desktop.quiet, null);
        await audit(desktop.tab.page);
        assert.deepEqual(await desktop.errors(), []);
      });
    }

    // BiDi, the protocol of Firefox, cannot emulate them.
    if (name === "Chromium") {
      it("shows what is selected in forced colors", async (t) => {
        const { page } = await start(t);
        const desktop = await page();
        await desktop.tab.page.emulateMedia({ forcedColors: "active" });
        const colors = await desktop.colors();
        assert.equal(new Set(colors).size, 2, `the selected level must differ from the others, which are alike: ${colors}`);
        assert.equal(colors[0], colors[1]);
        await desktop.tab.page.screenshot({ path: join(process.env.SCREENSHOTS ?? dir.path, "preferences-chromium-forced.png") });
      });
    }
  });
}
