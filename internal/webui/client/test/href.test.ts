import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { safeHref } from "../src/inbox/href.js";

const PAGE = "https://app.test/a/b";
const examples: { url: string; host?: string; fault?: string }[] = JSON.parse(readFileSync(new URL("../../../notify/testdata/urls.json", import.meta.url), "utf8"));

describe("the URL of a notification", () => {
  it("leads to the host that the service has read in it", () => {
    const allowed = examples.filter(({ fault }) => !fault);
    expect(allowed.length).toBeGreaterThan(30);
    for (const { url, host } of allowed) expect(new URL(safeHref(url, PAGE)!).host, url).toBe(host || "app.test");
  });

  it("is no link if it could run code or lead to another host", () => {
    const refused = examples.filter(({ fault }) => fault);
    expect(refused.length).toBeGreaterThan(90);
    for (const { url } of refused) {
      const href = safeHref(url, PAGE);
      if (href === undefined) continue;
      expect(href, url).toMatch(/^https?:\/\/[^/@]+\//);
      if (url.startsWith("/")) expect(new URL(href).host, url).toBe("app.test");
    }
  });

  const UNSAFE = [
    "javascript:alert(1)", " JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "\u0001javascript:alert(1)", "data:text/html,x", "file:///x", "blob:https://app.test/1",
    "mailto:a@b.test", "//evil.test", "/\\evil.test", "/\t/evil.test", "\\\\evil.test", "https:evil.test", "https:\\evil.test", "https://[", "https://ada@evil.test/",
    "https://app.test\\@evil.test/", "issues/42", "?q", "#top", "", undefined,
  ];
  it.each(UNSAFE)("is not %j", (url) => {
    expect(safeHref(url, PAGE)).toBeUndefined();
  });

  it("has no address on pages of another scheme", () => {
    expect(safeHref("/a", "file:///index.html")).toBeUndefined();
    expect(safeHref("/a", "about:blank")).toBeUndefined();
    expect(safeHref("https://app.test/a", "file:///index.html")).toBe("https://app.test/a");
  });

  it("is a string, whatever the service sends", () => {
    for (const other of [42, null, { href: "/" }, ["javascript:alert(1)"]]) expect(safeHref(other as unknown as string, PAGE)).toBeUndefined();
  });
});
