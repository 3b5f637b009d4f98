// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../src/index.js";
import { BellhopPreferences } from "../src/preferences/index.js";
import { advance, browser, FakeSocket, jwt, opened, settle, setOnline, socket, welcome } from "./fakes.js";
import { refusal, service } from "./stored.js";

const URL_OF_SERVICE = "https://bell.test/base";
const KINDS = [{ label: "Comments", type: "comment.*" }, { label: "Project 7", topic: "project.7" }];
const QUIET = { from: "22:00", to: "07:00", zone: "Europe/Berlin" };
const settings = { url: URL_OF_SERVICE, kinds: KINDS, token: async (): Promise<string | null> => jwt({ sub: "ada" }) };
let saved: unknown[];

// happy-dom does not reflect this attribute.
Object.defineProperty(Element.prototype, "part", {
  get(this: Element) {
    return { value: this.getAttribute("part") };
  },
  set(this: Element, value: string) {
    this.setAttribute("part", value);
  },
});

beforeEach(() => {
  saved = [];
});

afterEach(async () => {
  document.body.replaceChildren();
  await settle();
});

/** Adds an element with these properties to the page, and reads and operates it as a user does. */
async function show(properties: object = {}) {
  const element = document.createElement("bellhop-preferences");
  Object.assign(element, settings, properties);
  element.addEventListener("bellhop-preferences", ({ detail }) => saved.push(detail));
  document.body.append(element);
  await settle();
  const root = element.shadowRoot!;
  const part = (name: string) => [...root.querySelectorAll<HTMLElement>(`[part~="${name}"]`)];
  const radios = () => [...root.querySelectorAll<HTMLInputElement>("[type=radio]")];
  const [toggle, from, to] = ["[role=switch]", "[name=from]", "[name=to]"].map((selector) => root.querySelector<HTMLInputElement>(selector)!) as [HTMLInputElement, HTMLInputElement, HTMLInputElement];
  const change = async (input: HTMLInputElement, change: object) => {
    Object.assign(input, change);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  return {
    element, root, part, radios, toggle, from, to, change,
    texts: (name: string) => part(name).map(({ textContent }) => textContent),
    levels: () => radios().filter(({ checked }) => checked).map(({ value }) => value),
    choose: (kind: number, level: string) => change(radios().find(({ name, value }) => name === `${kind}` && value === level)!, { checked: true }),
    note: () => part("note")[0]!.textContent,
    disabled: () => part("panel")[0]!.matches(":disabled"),
    retry: () => part("retry")[0] as HTMLButtonElement,
  };
}

describe("the preferences", () => {
  it("show the levels of the kinds and the quiet hours", async () => {
    service.stored = { rules: [{ type: "comment.*", level: "silent" }], quiet: QUIET };
    const page = await show();
    expect(page.texts("kind")).toEqual(["Comments", "Project 7"]);
    expect([page.levels(), page.toggle.checked, page.from.value, page.to.value]).toEqual([["silent", "alert"], true, "22:00", "07:00"]);
    expect(page.part("quietHint")[0]!.textContent).toContain("Europe/Berlin");
    expect([page.disabled(), page.note(), page.retry().hidden]).toEqual([false, "", true]);
  });

  it("are disabled while they load, in the same places", async () => {
    let answer = () => {};
    service.intercept = () => new Promise<void>((resolve) => (answer = resolve));
    const page = await show();
    expect([page.disabled(), page.note(), page.radios().length, page.levels()]).toEqual([true, "Loading…", 6, []]);
    answer();
    await settle();
    expect([page.disabled(), page.note(), page.radios().length, page.levels()]).toEqual([false, "", 6, ["alert", "alert"]]);
  });

  it("show at once what is selected, and store it with all other rules", async () => {
    const other = { type: "build.*", level: "off" } as const;
    service.stored = { rules: [other] };
    const page = await show();
    await page.choose(0, "off");
    expect(page.levels()).toEqual(["off", "alert"]);
    await settle();
    expect(service.stored).toEqual({ rules: [other, { type: "comment.*", level: "off" }] });
    expect([page.note(), saved]).toEqual(["Saved.", [service.stored]]);
    await page.choose(0, "alert");
    await settle();
    expect(service.stored).toEqual({ rules: [other] });
  });

  it("of a second page are kept by a change", async () => {
    const page = await show();
    service.stored = { rules: [{ topic: "project.7", level: "silent" }, { type: "build.*", level: "off" }], quiet: QUIET };
    await page.choose(0, "silent");
    await settle();
    expect(service.stored).toEqual({ rules: [{ topic: "project.7", level: "silent" }, { type: "build.*", level: "off" }, { type: "comment.*", level: "silent" }], quiet: QUIET });
    expect([page.levels(), page.toggle.checked]).toEqual([["silent", "silent"], true]);
  });

  it("show a change of another device when the connection is renewed", async () => {
    const page = await show();
    await socket().receives(welcome("c1"));
    await page.choose(1, "off");
    await settle();
    service.stored = { rules: [{ type: "comment.*", level: "off" }] };
    await socket().closes(4410, "preferences-changed");
    await advance(1_000);
    await socket().receives(welcome("c2"));
    await settle();
    expect([page.levels(), page.note()]).toEqual([["off", "alert"], ""]);
  });

  it("of two elements that change at the same time are all stored", async () => {
    const [one, other] = [await show(), await show()];
    await Promise.all([one.choose(0, "off"), other.choose(1, "silent"), one.change(one.toggle, { checked: true })]);
    await settle();
    expect(service.stored).toMatchObject({ rules: [{ type: "comment.*", level: "off" }, { topic: "project.7", level: "silent" }], quiet: { from: "22:00", to: "07:00" } });
  });

  it("are written once for changes during a request", async () => {
    const page = await show();
    await page.choose(0, "off");
    await settle();
    service.requests = [];
    const first = page.choose(0, "silent");
    await Promise.all([first, page.choose(1, "off"), page.choose(0, "off"), page.choose(1, "silent")]);
    expect(page.levels()).toEqual(["off", "silent"]);
    await settle();
    expect(service.requests.filter((method) => method === "PUT").length).toBeLessThanOrEqual(2);
    expect(service.stored.rules.map(({ level }) => level)).toEqual(["off", "silent"]);
  });
});

describe("quiet hours", () => {
  it("begin with the zone of the browser, and end without a trace", async () => {
    const page = await show();
    await page.change(page.toggle, { checked: true });
    await settle();
    expect(service.stored.quiet).toEqual({ from: "22:00", to: "07:00", zone: Intl.DateTimeFormat().resolvedOptions().timeZone });
    await page.change(page.from, { value: "21:30" });
    await settle();
    expect(service.stored.quiet!.from).toBe("21:30");
    await page.change(page.toggle, { checked: false });
    await settle();
    expect(service.stored).toEqual({ rules: [] });
    expect([page.from.value, page.part("times")[0]!.matches(":disabled")]).toEqual(["21:30", true]);
  });

  it("keep their zone, and the time of another page", async () => {
    service.stored = { rules: [], quiet: QUIET };
    const page = await show();
    service.stored = { rules: [], quiet: { ...QUIET, to: "08:00" } };
    await page.change(page.from, { value: "23:00" });
    await settle();
    expect(service.stored.quiet).toEqual({ from: "23:00", to: "08:00", zone: "Europe/Berlin" });
    expect(page.to.value).toBe("08:00");
  });

  it("keep a time that is cleared", async () => {
    service.stored = { rules: [], quiet: QUIET };
    const page = await show();
    service.requests = [];
    await page.change(page.from, { value: "" });
    await settle();
    expect([service.requests, page.from.value]).toEqual([[], "22:00"]);
  });
});

describe("a change that is not stored", () => {
  it("is undone, with the explanation of the service", async () => {
    const page = await show();
    service.intercept = (method) => (method === "PUT" ? refusal(422, "rules must have at most 100 items") : undefined);
    await page.choose(0, "off");
    await settle();
    expect([page.levels(), page.note(), saved]).toEqual([["alert", "alert"], "Not saved. rules must have at most 100 items", []]);
    expect([page.disabled(), page.retry().hidden, page.part("note")[0]!.role]).toEqual([false, true, "status"]);
    service.intercept = () => undefined;
    await page.choose(0, "off");
    expect(page.note()).not.toContain("Not saved");
    await settle();
    expect([page.levels(), page.note()]).toEqual([["off", "alert"], "Saved."]);
  });

  it("stays announced when a later one is stored", async () => {
    const page = await show();
    let refuse = true;
    service.intercept = (method) => {
      if (method !== "PUT" || !refuse) return undefined;
      refuse = false;
      void page.choose(1, "off"); // meanwhile
      return refusal(422, "no");
    };
    await page.choose(0, "off");
    await settle();
    expect([page.levels(), page.note()]).toEqual([["alert", "off"], "Not saved. no"]);
  });

  it("is undone without a connection", async () => {
    const page = await show();
    browser.network = false;
    await page.choose(0, "off");
    await settle();
    expect([page.levels(), page.note(), page.disabled()]).toEqual([["alert", "alert"], "Not saved. No connection.", false]);
  });
});

describe("without a user or a connection", () => {
  it("nothing can be changed until a user has logged in", async () => {
    let user: string | null = null;
    const page = await show({ token: async () => user && jwt({ sub: user }) });
    expect([page.disabled(), page.note(), page.retry().hidden]).toEqual([true, "You are not logged in.", false]);
    user = "ada";
    page.retry().click();
    await settle();
    expect([page.disabled(), page.note(), page.retry().hidden]).toEqual([false, "", true]);
  });

  it("a logout removes what was shown", async () => {
    service.stored = { rules: [{ type: "comment.*", level: "off" }] };
    const page = await show();
    service.intercept = () => refusal(401, "The token has expired");
    await page.choose(1, "off");
    await settle();
    expect([page.disabled(), page.levels(), page.note()]).toEqual([true, [], "Not saved. You are not logged in."]);
  });

  it("the preferences are loaded when the connection opens", async () => {
    await setOnline(false);
    const page = await show();
    expect([page.disabled(), page.note(), page.retry().hidden]).toEqual([true, "No connection.", false]);
    await setOnline(true);
    await socket().receives(welcome("c1"));
    await settle();
    expect([page.disabled(), page.note()]).toEqual([false, ""]);
  });
});

describe("the kinds", () => {
  it("may be JSON, and an attribute", async () => {
    const page = await show({ kinds: undefined });
    expect(page.radios().length).toBe(0);
    page.element.setAttribute("kinds", '[{"label": "Builds", "type": "build.*"}]');
    await settle();
    expect(page.texts("kind")).toEqual(["Builds"]);
    page.element.kinds = '[{"label": "All"}]';
    await settle();
    expect(page.texts("kind")).toEqual(["All"]);
    page.element.removeAttribute("kinds");
    await settle();
    expect([page.texts("kind"), browser.console]).toEqual([[], []]);
  });

  for (const bad of ["[{", "{}", "7", "null", "[7]", '[{"type": "a"}]', '[{"label": "A", "type": 7}]', '[{"label": 7}]']) {
    it(`have one error on the console if they are ${bad}`, async () => {
      const page = await show({ kinds: bad });
      page.element.kinds = bad;
      page.element.setAttribute("kinds", bad);
      await settle();
      expect(page.radios().length).toBe(0);
      if (bad === "null") return;
      expect(browser.console).toEqual([[expect.stringContaining("kinds must be a list"), bad]]);
    });
  }
});

describe("an element that is rendered again and again", () => {
  it("keeps its connection and the focus, and reads once", async () => {
    let calls = 0;
    const render = () => ({ ...settings, kinds: KINDS.map((kind) => ({ ...kind })), token: async () => (calls++, jwt({ sub: "ada" })), labels: { off: "Aus" } });
    const page = await show(render());
    page.radios()[4]!.focus();
    for (let i = 0; i < 20; i++) {
      Object.assign(page.element, render());
      page.element.setAttribute("url", URL_OF_SERVICE);
      await settle();
    }
    expect([FakeSocket.all.length, calls, service.requests]).toEqual([1, 1, ["GET"]]);
    expect(page.root.activeElement).toBe(page.radios()[4]);
  });

  it("shows new labels and kinds without moving the focus", async () => {
    const page = await show();
    page.radios()[4]!.focus();
    Object.assign(page.element, { labels: { title: "Mitteilungen", silent: "Still", retry: undefined, saved: () => "Gespeichert" }, kinds: KINDS.map((kind, i) => ({ ...kind, label: ["Kommentare", "Projekt 7"][i]! })) });
    await page.choose(0, "off");
    await settle();
    expect([page.texts("title"), page.texts("silent"), page.texts("kind"), page.texts("retry"), page.note()]).toEqual([["Mitteilungen"], ["Still", "Still"], ["Kommentare", "Projekt 7"], ["Try again"], "Gespeichert"]);
    expect(page.part("panel")[0]!.ariaLabel).toBe("Mitteilungen");
    expect(page.root.activeElement).toBe(page.radios()[4]);
    page.element.labels = undefined;
    await settle();
    expect(page.texts("title")).toEqual(["Notification preferences"]);
  });

  it("keeps its connection when moved, and closes it when removed", async () => {
    const page = await show();
    const elsewhere = document.body.appendChild(document.createElement("div"));
    elsewhere.append(page.element);
    await settle();
    expect([FakeSocket.all.length, opened().length]).toEqual([1, 1]);
    page.element.remove();
    await settle();
    expect(opened()).toEqual([]);
    document.body.append(page.element); // as in React's StrictMode
    await settle();
    expect([FakeSocket.all.length, opened().length, page.disabled()]).toEqual([2, 1, false]);
  });
});

describe("an element's connection", () => {
  it("is that of the page, which stays open", async () => {
    const bell = connect({ url: URL_OF_SERVICE, token: settings.token, share: false });
    const page = await show({ bell, url: undefined, token: undefined });
    expect([page.element.bell, page.disabled(), FakeSocket.all.length]).toEqual([bell, false, 1]);
    page.element.bell = undefined;
    await settle();
    expect([page.disabled(), page.note(), opened().length]).toEqual([true, "Loading…", 1]);
    bell.close();
  });

  it("is replaced with the address, and given to the page", async () => {
    const page = await show();
    expect(page.element.bell!.state).toBe("connecting");
    page.element.bell = page.element.bell;
    await settle();
    page.element.url = "https://other.test/base";
    await settle();
    expect([opened().map(({ url }) => url.host), page.disabled()]).toEqual([["other.test"], false]);
    page.element.token = undefined;
    await settle();
    expect([opened().length, page.element.bell, page.disabled()]).toEqual([0, undefined, true]);
  });

  it("uses properties that were set before the element was defined", async () => {
    const early = document.createElement("bellhop-early");
    Object.assign(early, settings);
    document.body.append(early);
    customElements.define("bellhop-early", class extends BellhopPreferences {});
    customElements.upgrade(early);
    await settle();
    expect([service.requests, early.shadowRoot!.querySelectorAll("[type=radio]").length]).toEqual([["GET"], 6]);
  });
});
