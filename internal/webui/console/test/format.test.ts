import { expect, it } from "vitest";
import { ago, bytes, count, duration, moment, ms, pair, plural } from "../src/format.js";

it("writes sizes with three digits", () => {
  expect([0, 512, 1536, 268435456, 1.5 * 2 ** 40, -1].map(bytes)).toEqual(["0 B", "512 B", "1.5 KiB", "256 MiB", "1.5 TiB", "0 B"]);
});

it("writes counts", () => {
  expect([0, 0.25, 9.99, 12.4, 1234, 12_345, 2_500_000, 3e9].map(count)).toEqual(["0", "0.25", "9.99", "12", "1,234", "12.3k", "2.5M", "3G"]);
});

it("writes durations", () => {
  expect([0.42, 12.34, 345.6, 1500].map(ms)).toEqual(["0.42 ms", "12.3 ms", "346 ms", "1.5 s"]);
  expect(pair(0.4, 2)).toBe("0.4 / 2 ms");
  expect(pair(900, 1200)).toBe("900 ms / 1.2 s");
  expect(pair(undefined, 2)).toBe("– / 2 ms");
  expect(pair(2, undefined)).toBe("2 ms / –");
  expect([-5, 59, 61, 3600, 3660, 86_400, 90_000].map(duration)).toEqual(["0 s", "59 s", "1 min", "1 h", "1 h 1 min", "1 d", "1 d 1 h"]);
});

it("writes times", () => {
  const now = Date.parse("2026-12-01T12:00:00");
  const iso = (text: string) => new Date(text).toISOString();
  expect(moment(iso("2026-12-01T09:05:07"), now)).toBe("09:05:07");
  expect(moment(iso("2026-11-30T09:05:07"), now)).toBe("30 Nov, 09:05:07");
  expect(moment(iso("2025-11-30T09:05:07"), now)).toBe("30 Nov 2025, 09:05:07");
  expect(moment("<b>no time</b>", now)).toBe("<b>no time</b>");
  expect(ago(iso("2026-12-01T11:58:00"), now)).toBe("2 min ago");
  expect(ago(iso("2026-12-01T12:00:30"), now)).toBe("in 30 s");
  expect(ago("no time", now)).toBe("");
  expect([plural(1, "user"), plural(2, "user")]).toEqual(["1 user", "2 users"]);
});
