import { describe, expect, it } from "vitest";
import { ago, badge, english, format } from "../src/inbox/labels.js";

describe("a label", () => {
  it("inserts its argument unchanged", () => {
    expect(format("Archive: {}", "$& and {}")).toBe("Archive: $& and {}");
    expect(format(english.unread, 3)).toBe("3 unread");
    expect(format("Nothing")).toBe("Nothing");
  });

  it("may be a function that forms plurals", () => {
    const unread = (n: string | number) => (n === 1 ? "eine ungelesene" : `${n} ungelesene`);
    expect([format(unread, 1), format(unread, 2)]).toEqual(["eine ungelesene", "2 ungelesene"]);
  });
});

it("a badge shows at most two digits", () => {
  expect([1, 99, 100, 12_345].map(badge)).toEqual(["1", "99", "99+", "99+"]);
});

describe("a time", () => {
  const now = Date.parse("2026-12-01T09:00:00.000Z");
  const before = (seconds: number, lang = "en") => ago(new Date(now - seconds * 1000).toISOString(), lang, now);

  it("is relative to now", () => {
    const texts = [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 7 * 86_400].map((seconds) => before(seconds));
    expect(texts).toEqual(["now", "now", "1 minute ago", "59 minutes ago", "1 hour ago", "23 hours ago", "yesterday", "7 days ago"]);
  });

  it("is a date after a week, and now if it lies in the future", () => {
    expect(before(8 * 86_400)).toBe("Nov 23, 2026");
    expect(before(-30)).toBe("now");
  });

  it("is in the page's language", () => {
    expect(before(7_200, "de")).toBe("vor 2 Stunden");
  });
});
