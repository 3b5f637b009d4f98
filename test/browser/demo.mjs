// Operates the demo page as a user does.

import { deepStrictEqual } from "node:assert/strict";

const TIMEOUT = 15_000;

/** Waits until read returns want; throws the difference after the timeout. */
export async function eventually(read, want, timeout = TIMEOUT) {
  const end = Date.now() + timeout;
  for (;;) {
    const got = await read();
    try {
      deepStrictEqual(got, want);
      return;
    } catch (difference) {
      if (Date.now() > end) throw difference;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class DemoPage {
  constructor(page) {
    this.page = page;
    this.ada = new DevicePart(page, "ada");
    this.grace = new DevicePart(page, "grace");
  }

  async live() {
    await this.ada.is("live");
    await this.grace.is("live");
  }

  /** Sends with the form, and returns the service's answer. */
  async send(to, { title, body, type, priority } = {}) {
    await this.page.locator(`input[name=to][value=${to}]`).check();
    if (title !== undefined) await this.page.locator("[name=title]").fill(title);
    if (body !== undefined) await this.page.locator("[name=body]").fill(body);
    if (type !== undefined) await this.page.locator("[name=type]").fill(type);
    if (priority !== undefined) await this.page.locator("[name=priority]").selectOption(priority);
    return this.submit(() => this.page.getByRole("button", { name: "Send" }).click());
  }

  async submit(act) {
    const answered = this.page.waitForResponse((response) => response.url().endsWith("/notify"));
    await act();
    const answer = await answered;
    return { status: answer.status(), body: await answer.json() };
  }

  /** Returns the text that the form shows for the last answer. */
  answer() {
    return this.page.locator("#answer").innerText();
  }
}

class DevicePart {
  constructor(page, user) {
    this.page = page;
    this.element = page.locator(`.device[data-user=${user}]`);
  }

  is(phase) {
    return eventually(() => this.element.getAttribute("data-phase"), phase);
  }

  async goOffline() {
    await this.element.getByRole("button", { name: "Go offline" }).click();
    await this.is("offline");
  }

  async reconnect() {
    await this.element.getByRole("button", { name: "Reconnect" }).click();
    await this.is("live");
  }

  /** Marks everything as read, and waits until the badge is gone. */
  async markAllRead() {
    await this.element.getByRole("button", { name: "Mark all as read" }).click();
    await eventually(() => this.badge(), 0);
  }

  /** Returns the visible titles, newest first. */
  titles() {
    return this.element.locator("[part=item-title]").allTextContents();
  }

  /** Returns the device's text about its last change, with … in place of the time. */
  async statusText() {
    return (await this.element.locator(".story").textContent()).replace(/\d+:\d+:\d+/, "…");
  }

  shows(titles) {
    return eventually(() => this.titles(), titles);
  }

  badge() {
    return this.element.locator("[part=badge]").evaluate((badge) => (badge.hidden ? 0 : Number(badge.textContent)));
  }

  cursor() {
    return this.element.locator(".cursor").textContent();
  }
}
