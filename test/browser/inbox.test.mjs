// Tests <bellhop-inbox> against the real service: the same list and badge on all devices
// of a user, by mouse, keyboard and screen reader.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { audit } from "./audit.mjs";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { openDevice, startSite } from "./inbox.mjs";
import { binary, scratch, startBrowser } from "./service.mjs";

describe("<bellhop-inbox>", { timeout: 300_000 }, () => {
  let dir, bin, browser, site;
  before(async () => {
    dir = scratch();
    bin = binary(dir.path);
    browser = await startBrowser();
    site = await startSite();
  });
  after(async () => {
    await browser?.close();
    site?.close();
    dir?.remove();
  });

  /** Starts a service; returns it and a function that opens devices. The end of the test stops all of them. */
  async function start(t, env = {}) {
    const data = scratch();
    const cleanup = [data.remove]; // steps of the cleanup, run in reverse order
    t.after(async () => {
      for (const step of cleanup.reverse()) await step();
    });
    const service = new Service(bin, data.path, site.home, "", env);
    cleanup.push(() => service.stop());
    await service.start();
    const device = async (options = {}) => {
      const context = await browser.newContext({ reducedMotion: "reduce", ...options });
      cleanup.push(() => context.close());
      return Object.assign(await openDevice(context, service), { context });
    };
    return { service, device };
  }

  it("shows the same on two devices", async (t) => {
    const { service, device } = await start(t);
    const phone = await device();
    const desktop = await device();
    await service.publish(["one", "two"]);
    for (const { badge } of [phone, desktop]) await eventually(badge, "2");
    await phone.open();
    await desktop.open();
    for (const { titles } of [phone, desktop]) await eventually(titles, ["two*", "one*"]);

    await phone.item("one").getByRole("button").first().click();
    for (const { titles, unread } of [phone, desktop]) {
      await eventually(titles, ["two*", "one"]);
      await eventually(unread, 1);
    }
    await desktop.click("Mark as unread", "one");
    await eventually(phone.titles, ["two*", "one*"]);
    await phone.click("Archive", "two");
    for (const { titles, unread } of [phone, desktop]) {
      await eventually(titles, ["one*"]);
      await eventually(unread, 1);
    }
    await service.publish("three");
    await eventually(desktop.titles, ["three*", "one*"]);
    await desktop.panel.getByRole("button", { name: "Mark all as read" }).click();
    for (const { titles, unread } of [phone, desktop]) {
      await eventually(titles, ["three", "one"]);
      await eventually(unread, 0);
    }
    assert.deepEqual([phone.pageErrors, desktop.pageErrors], [[], []]);
  });

  it("shows the same in two tabs, which share a connection", async (t) => {
    const { service, device } = await start(t);
    const tab = await device();
    await service.publish("one");
    await eventually(tab.badge, "1");
    const second = await openDevice(tab.context, service);
    await eventually(second.badge, "1");
    assert.equal(await service.connections(), 1);
    await second.open();
    await service.publish("two");
    await eventually(second.titles, ["two*", "one*"]);
    await second.click("Mark as read", "one");
    await eventually(tab.unread, 1);
    await tab.page.close(); // the tab with the connection
    await service.publish("three");
    await eventually(second.titles, ["three*", "two*", "one"]);
    await eventually(second.unread, 2);
    await eventually(service.connections, 1);
  });

  it("marks as seen what an open panel shows, and the badge counts the rest on all devices", async (t) => {
    const { service, device } = await start(t);
    const phone = await device();
    const desktop = await device();
    await service.publish(Array.from({ length: 22 }, (_, i) => `n${i}`));
    for (const { badge } of [phone, desktop]) await eventually(badge, "22");
    await desktop.open();
    for (const { badge, unread } of [phone, desktop]) {
      await eventually(badge, ""); // two of them are on the next page
      await eventually(unread, 22);
    }
    await service.publish("while open");
    await eventually(async () => (await service.ask("GET", "/inbox?limit=1")).items.map(({ title, seen_at }) => [title, !!seen_at]), [["while open", true]]);
    for (const { badge, unread } of [phone, desktop]) {
      await eventually(badge, "");
      await eventually(unread, 23);
    }
    await desktop.page.keyboard.press("Escape");
    await service.publish("while closed");
    for (const { badge } of [phone, desktop]) await eventually(badge, "1");
    assert.equal((await desktop.events("unseen")).at(-1), 1);
    assert.deepEqual([phone.pageErrors, desktop.pageErrors], [[], []]);
  });

  it("keeps marks as seen that were made offline", async (t) => {
    const { service, device } = await start(t);
    const phone = await device();
    await phone.open();
    await service.publish("one");
    await eventually(phone.titles, ["one*"]);
    await phone.page.keyboard.press("Escape");
    await service.publish("two");
    await eventually(phone.badge, "1");
    await phone.context.setOffline(true);
    await phone.open();
    await phone.panel.getByText("No connection.").waitFor();
    await eventually(() => phone.page.evaluate(() => JSON.stringify(localStorage).includes("seen")), true);
    await phone.page.close();
    await phone.context.setOffline(false);
    const next = await openDevice(phone.context, service);
    await eventually(async () => (await service.ask("GET", "/inbox")).unseen_count, 0);
    await eventually(next.badge, "");
    await eventually(next.unread, 2);
  });

  it("sets the badge of the app, and survives a browser that refuses it", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    await desktop.page.evaluate(() => {
      window.badges = [];
      Object.assign(Navigator.prototype, {
        setAppBadge: async (count) => badges.push(count),
        clearAppBadge: async () => badges.push("clear") && Promise.reject(new DOMException("refused", "InvalidStateError")),
      });
    });
    const badges = () => desktop.page.evaluate(() => badges);
    await service.publish("one");
    await eventually(badges, [1]);
    await desktop.open();
    await eventually(badges, [1, "clear"]);
    assert.deepEqual(desktop.pageErrors, []);
  });

  it("lists parts of the inbox in tabs, with unread counts, and operates them by keyboard", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    await desktop.setTabs([{ label: "Mentions", type: "mention.*" }, { label: "Important", priority: "high" }]);
    await service.publish(["one", "two"], { type: "mention.task" });
    await service.publish("three", { type: "build", priority: "high" });
    await desktop.open();
    await eventually(desktop.tabs, ["All 3", "Mentions 2", "Important 1"]);
    await eventually(desktop.titles, ["three*", "two*", "one*"]);
    const press = (key) => desktop.page.keyboard.press(key);
    await desktop.panel.getByRole("tab", { name: "All 3 unread" }).focus();
    await press("ArrowRight");
    assert.equal(await desktop.focus(), "Mentions");
    await eventually(desktop.titles, ["two*", "one*"]);
    await press("ArrowRight");
    await eventually(desktop.titles, ["three*"]);
    await press("ArrowRight");
    await eventually(desktop.titles, ["three*", "two*", "one*"]);
    await press("End");
    assert.equal(await desktop.focus(), "Important");
    await press("Home");
    await press("ArrowRight");
    await press("ArrowDown");
    assert.equal(await desktop.focus(), "two");

    await service.publish("four", { type: "mention.doc", priority: "high" });
    await service.publish("five", { type: "comment" });
    await eventually(desktop.titles, ["four*", "two*", "one*"]);
    await eventually(desktop.tabs, ["All 5", "Mentions 3", "Important 2"]);
    await desktop.click("Mark as read", "four");
    await eventually(desktop.tabs, ["All 4", "Mentions 2", "Important 1"]);
    await desktop.panel.getByRole("button", { name: "Mark all as read" }).click();
    await eventually(desktop.titles, ["four", "two", "one"]);
    await eventually(desktop.tabs, ["All 2", "Mentions", "Important 1"]);
    await desktop.panel.getByRole("tab", { name: "All" }).click();
    await eventually(desktop.titles, ["five*", "four", "three*", "two", "one"]);
    assert.deepEqual(desktop.pageErrors, []);
  });

  it("marks more than a page as read in a tab", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    await desktop.setTabs([{ label: "Mentions", type: "mention" }]);
    await service.publish(Array.from({ length: 130 }, (_, i) => `n${i}`), { type: "mention" });
    await service.publish("other");
    await desktop.open();
    await desktop.panel.getByRole("tab", { name: "Mentions 130 unread" }).click();
    await desktop.panel.getByRole("button", { name: "Mark all as read" }).click();
    await eventually(desktop.tabs, ["All 1", "Mentions"]);
    assert.equal((await service.ask("GET", "/inbox/counts?type=mention")).unread_count, 0);
  });

  it("lists a topic of several, and reports tabs that are not valid", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    const admin = service.token("backend", "1h", "notify:topics", "notify:publish");
    for (const topic of ["project.1", "project.7"]) await service.ask("POST", `/topics/${topic}/members`, { add: ["ada"] }, admin);
    await desktop.setTabs([{ label: "Seven", topic: "project.7" }]);
    await desktop.open();
    await desktop.panel.getByRole("tab", { name: "Seven" }).click();
    for (const [title, topics] of [["both", ["project.1", "project.7"]], ["one", ["project.1"]], ["seven", ["project.7"]]]) {
      await service.ask("POST", "/notify", { to: { topics }, type: "build", title }, admin);
    }
    await eventually(desktop.titles, ["seven*", "both*"]);
    await eventually(desktop.tabs, ["All 3", "Seven 2"]);
    assert.deepEqual(desktop.pageErrors, []);
    await desktop.setTabs([{ label: "Bad", types: "a" }]);
    await eventually(desktop.titles, ["seven*", "one*", "both*"]);
    assert.deepEqual(await desktop.tabs(), []);
    assert.equal(desktop.pageErrors.length, 1);
    assert.match(desktop.pageErrors[0], /tab 1: types cannot be "a"/);
  });

  it("delivers marks made offline, even by the next page", async (t) => {
    const { service, device } = await start(t);
    const phone = await device();
    const desktop = await device();
    await service.publish(["one", "two", "three"]);
    await desktop.open();
    await phone.open();
    await eventually(phone.titles, ["three*", "two*", "one*"]);
    await phone.context.setOffline(true);
    await phone.panel.getByText("No connection.").waitFor();
    await phone.click("Mark as read", "one");
    await phone.click("Archive", "two");
    assert.deepEqual(await phone.titles(), ["three*", "one"]);
    await service.publish("four");
    await eventually(desktop.titles, ["four*", "three*", "two*", "one*"]);
    await phone.context.setOffline(false);
    for (const { titles, unread } of [phone, desktop]) {
      await eventually(titles, ["four*", "three*", "one"]);
      await eventually(unread, 2);
    }

    await phone.context.setOffline(true);
    await phone.panel.getByText("No connection.").waitFor();
    await phone.click("Mark as read", "three");
    await phone.page.close();
    await phone.context.setOffline(false);
    await openDevice(phone.context, service);
    await eventually(desktop.titles, ["four*", "three", "one"]);
  });

  it("shows notifications that were missed during a lost connection", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    await service.publish("before");
    await desktop.open();
    await eventually(desktop.titles, ["before*"]);
    await service.stop();
    await eventually(() => desktop.page.evaluate(() => document.querySelector("bellhop-inbox").bell.state), "waiting");
    await service.start();
    await service.publish("after");
    await eventually(desktop.titles, ["after*", "before*"]);
    await eventually(desktop.unread, 2);
  });

  it("removes replaced, recalled and expired notifications", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    await desktop.open();
    await service.publish("1 comment", { collapse_key: "comments" });
    await service.publish("2 comments", { collapse_key: "comments" });
    const [id] = await service.publish("a mistake");
    await service.publish("expires soon", { ttl: 3 });
    await eventually(desktop.titles, ["expires soon*", "a mistake*", "2 comments*"]);
    await eventually(desktop.unread, 3);
    await service.ask("DELETE", `/notifications/${id}`, undefined, service.token("operator", "1h", "notify:admin"));
    await eventually(desktop.titles, ["2 comments*"]);
    await eventually(desktop.unread, 1);
    await desktop.page.reload();
    await desktop.open();
    await eventually(desktop.titles, ["2 comments*"]);
    await eventually(desktop.unread, 1);
  });

  it("shows at most the notifications that the service stores", async (t) => {
    const { service, device } = await start(t, { BELLHOP_NOTIFICATIONS_PER_USER: "3" });
    const desktop = await device();
    await desktop.open();
    for (const title of ["one", "two", "three", "four", "five"]) await service.publish(title);
    await eventually(desktop.titles, ["five*", "four*", "three*"]);
    await eventually(desktop.unread, 3);
  });

  it("loads further pages, and has a badge of at most two digits", async (t) => {
    const { service, device } = await start(t);
    await service.publish(Array.from({ length: 120 }, (_, i) => `n${i}`));
    const desktop = await device();
    await eventually(desktop.badge, "99+");
    await desktop.open();
    await eventually(async () => (await desktop.titles()).length, 20);
    const more = desktop.panel.getByRole("button", { name: "Show older" });
    for (const length of [40, 60, 80, 100, 120]) {
      await more.click();
      await eventually(async () => (await desktop.titles()).length, length);
    }
    await more.waitFor({ state: "hidden" });
    assert.deepEqual(await desktop.titles(), Array.from({ length: 120 }, (_, i) => `n${119 - i}*`));
  });

  it("can be operated by keyboard", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    await service.publish(["three", "two", "one"]);
    await eventually(desktop.badge, "3");
    const press = (...keys) => keys.reduce((before, key) => before.then(() => desktop.page.keyboard.press(key)), Promise.resolve());
    await press("Tab");
    assert.equal(await desktop.focus(), "bell");
    assert.equal(await desktop.bell.getAttribute("aria-expanded"), "false");
    await press("Enter");
    await eventually(desktop.titles, ["one*", "two*", "three*"]);
    await eventually(() => desktop.bell.getAttribute("aria-expanded"), "true");
    await press("ArrowDown");
    await eventually(desktop.focus, "one");
    for (const [key, title] of [["ArrowDown", "two"], ["End", "three"], ["ArrowDown", "three"], ["Home", "one"], ["ArrowUp", "one"], ["ArrowDown", "two"]]) {
      await press(key);
      assert.equal(await desktop.focus(), title, key);
    }
    await press("Tab");
    await eventually(desktop.focus, "Mark as read: two");
    await press("Enter");
    await eventually(desktop.titles, ["one*", "two", "three*"]);
    await press("Tab");
    assert.equal(await desktop.focus(), "Archive: two");
    await press("Enter");
    await eventually(desktop.titles, ["one*", "three*"]);
    assert.equal(await desktop.focus(), "three"); // the next item
    await press("Enter");
    await eventually(desktop.titles, ["one*", "three"]);
    assert.deepEqual(await desktop.events("select"), ["three"]);
    await press("Escape");
    await eventually(desktop.focus, "bell");
    await eventually(() => desktop.bell.getAttribute("aria-expanded"), "false"); // the toggle event follows later
    await eventually(() => desktop.events("toggle"), [true, false]);
  });

  it("announces new notifications to screen readers, unless the page prevents it", async (t) => {
    const { service, device } = await start(t);
    await service.publish("from before");
    const desktop = await device();
    await eventually(desktop.badge, "1");
    await desktop.page.getByRole("button", { name: "Notifications 1 new" }).waitFor();
    assert.equal(await desktop.page.getByRole("status").textContent(), "");
    await service.publish("now");
    await desktop.page.getByText("New notification: now").waitFor();
    await desktop.page.evaluate(() => document.querySelector("bellhop-inbox").addEventListener("bellhop-notification", (event) => event.preventDefault()));
    await service.publish("not announced");
    await eventually(desktop.badge, "3");
    assert.equal(await desktop.page.getByRole("status").textContent(), "New notification: now");
    assert.deepEqual(await desktop.events("notification"), ["now", "not announced"]);
    assert.deepEqual(await desktop.events("count"), [1, 2, 3]);
  });

  it("does not interpret text as HTML, and links only to http and https", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    const title = `<img src=x onerror="alert(1)"> & {} مرحبا`;
    await service.publish(title, { body: "<b>not bold</b>", data: { url: "/elsewhere" }, actions: [{ title: "<i>{}</i> مرحبا", url: "https://example.com/" }] });
    await service.publish("a page", { url: "/elsewhere" });
    await desktop.open();
    await eventually(desktop.titles, ["a page*", `${title}*`]);
    assert.equal(await desktop.panel.getByRole("link").count(), 2);
    assert.equal(await desktop.item(title).getByRole("link", { name: "<i>{}</i> مرحبا", exact: true }).getAttribute("href"), "https://example.com/");

    await desktop.page.evaluate(() => document.querySelector("bellhop-inbox").addEventListener("bellhop-select", (event) => event.preventDefault(), { once: true }));
    await desktop.panel.getByRole("link", { name: "a page" }).click();
    await eventually(desktop.unread, 1);
    assert.equal(new URL(desktop.page.url()).pathname, "/");
    await desktop.open();
    await desktop.panel.getByRole("link", { name: "a page" }).click();
    await desktop.page.waitForURL("**/elsewhere");
    assert.deepEqual(desktop.pageErrors, []);
  });

  it("follows actions, opens a new tab by the middle button, and marks as read by both", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device();
    const actions = ["First", "Second"].map((title) => ({ title, url: `/elsewhere?${title}` }));
    await service.publish(["one", "two"], { url: "/elsewhere", actions });
    await desktop.open();
    await eventually(desktop.titles, ["two*", "one*"]);

    const opened = desktop.context.waitForEvent("page");
    await desktop.item("two").getByRole("link", { name: "two" }).click({ button: "middle" });
    await (await opened).waitForURL("**/elsewhere");
    await eventually(desktop.titles, ["two", "one*"]);
    assert.deepEqual(await desktop.events("select"), [], "the page has nothing to follow");

    await desktop.page.evaluate(() => document.querySelector("bellhop-inbox").addEventListener("bellhop-action", (event) => event.preventDefault(), { once: true }));
    await desktop.item("one").getByRole("link", { name: "First" }).click();
    await eventually(desktop.unread, 0);
    assert.deepEqual([await desktop.events("action"), new URL(desktop.page.url()).pathname], [["First"], "/"]);
    await desktop.open();
    const main = desktop.item("one").getByRole("link", { name: "one" });
    await main.focus();
    for (const name of ["Mark as unread: one", "Archive: one", "First", "Second"]) {
      await desktop.page.keyboard.press("Tab");
      await eventually(() => desktop.page.evaluate(() => {
        const { activeElement } = document.activeElement.shadowRoot;
        return activeElement.ariaLabel ?? activeElement.textContent;
      }), name);
    }
    await desktop.page.keyboard.press("Enter");
    await desktop.page.waitForURL("**/elsewhere?Second");
    assert.deepEqual(desktop.pageErrors, []);
  });

  it("uses the language and direction of the page", async (t) => {
    const { service, device } = await start(t);
    const desktop = await device({ viewport: { width: 900, height: 600 } });
    await service.publish("شكرا");
    await desktop.page.evaluate(() => {
      document.documentElement.dir = "rtl";
      document.documentElement.lang = "ar";
      const plural = new Intl.PluralRules("ar");
      document.querySelector("bellhop-inbox").labels = { title: "الإشعارات", unseen: (n) => `${n} (${plural.select(n)})` };
    });
    await desktop.page.getByRole("button", { name: "الإشعارات 1 (one)" }).click();
    const panel = desktop.page.getByRole("dialog", { name: "الإشعارات" });
    await eventually(() => panel.locator("time").allTextContents(), [new Intl.RelativeTimeFormat("ar", { numeric: "auto" }).format(0, "second")]);
    const [bell, box, item, action] = await Promise.all(
      [desktop.bell, panel, panel.locator("[part=link]"), panel.locator("[part=action]").last()].map((one) => one.boundingBox()),
    );
    assert.ok(Math.abs(bell.x - box.x) < 2 && box.y > bell.y + bell.height, "the panel must begin below the bell");
    assert.ok(action.x < item.x, "the actions must be at the end of the line, on the left");
    await audit(desktop.page);
  });

  for (const [name, options] of Object.entries({
    light: { colorScheme: "light" },
    dark: { colorScheme: "dark" },
    phone: { colorScheme: "light", viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true },
  })) {
    it(`is accessible, ${name}`, async (t) => {
      const { service, device } = await start(t);
      const desktop = await device({ viewport: { width: 760, height: 620 }, ...options });
      await desktop.setTabs([{ label: "Mentions", type: "mention.*" }, { label: "Important", priority: "high" }, { label: "Builds", type: "build.*" }]);
      await service.publish("Edith mentioned you in a draft", { type: "mention.draft", body: "“Lovely. Ship it before lunch?”", url: "/drafts/7", actions: [{ title: "Reply", url: "/drafts/7#reply" }, { title: "Show all comments", url: "https://example.com/" }] });
      await service.publish("Disk on db-2 is 91 % full", { body: "At this pace it is full by 18:40.", priority: "high" });
      await service.publish("The lobby bar opens at six", { priority: "low" });
      await eventually(desktop.badge, "3");
      await audit(desktop.page);
      await desktop.open();
      await desktop.item("The lobby bar").getByRole("button").first().click();
      await eventually(desktop.unread, 2);
      await audit(desktop.page);
      const { left, right, width } = await desktop.panel.evaluate((panel) => {
        const { left, right } = panel.getBoundingClientRect();
        return { left, right, width: innerWidth };
      });
      assert.ok(left >= 8 && right <= width - 8, `the panel reaches from ${left} to ${right} of ${width}`);
      const screenshot = (what) => desktop.page.screenshot({ path: join(process.env.SCREENSHOTS ?? dir.path, `${what}-${name}.png`) });
      await screenshot("inbox");
      await desktop.panel.getByRole("tab", { name: "Mentions" }).click();
      await eventually(desktop.titles, ["Edith mentioned you in a draft*"]);
      await audit(desktop.page);
      await screenshot("tab");
      await desktop.panel.getByRole("tab", { name: "Builds" }).click();
      await desktop.panel.getByText("You are all caught up.").waitFor();
      await audit(desktop.page);
      await screenshot("empty-tab");
      await desktop.page.keyboard.press("Escape");
      await service.publish("Grace joined");
      await eventually(desktop.badge, "1");
      await audit(desktop.page);
      await screenshot("badge");
    });
  }
});
