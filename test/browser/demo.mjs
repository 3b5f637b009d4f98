// The demo page in the words of its users.

import { deepStrictEqual } from "node:assert/strict";

const PATIENCE = 15_000;

/** Waits until what read returns is want, and fails with the difference if it never is. */
export async function eventually(read, want, patience = PATIENCE) {
  const end = Date.now() + patience;
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

  /** Sends by the form, and returns once the service has answered. */
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

  /** The text that the form shows for the last answer. */
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

  async comeBack() {
    await this.element.getByRole("button", { name: "Come back" }).click();
    await this.is("live");
  }

  /** Marks all as read, and returns once the service has it. */
  async look() {
    await this.element.getByRole("button", { name: "Mark all as read" }).click();
    await eventually(() => this.badge(), 0);
  }

  /** The titles on the screen, newest first. */
  titles() {
    return this.element.locator("[part=item-title]").allTextContents();
  }

  /** What the device says of its absence. */
  async story() {
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
