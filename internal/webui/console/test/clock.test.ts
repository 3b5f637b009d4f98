import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Clock } from "../src/clock.js";

beforeEach(() => void vi.useFakeTimers({ now: Date.parse("2026-11-28T12:00:00Z") }));
afterEach(() => void vi.useRealTimers());

const at = (clock: Clock) => clock.now().toISOString();

it("tells the browser's time until a sample has arrived", () => {
  const clock = new Clock();
  expect(at(clock)).toBe("2026-11-28T12:00:00.000Z");
  clock.note(Date.parse("2026-11-28T09:00:00Z"));
  expect(at(clock)).toBe("2026-11-28T09:00:00.000Z");
  clock.reset();
  expect(at(clock)).toBe("2026-11-28T12:00:00.000Z");
});

it("goes on between samples, and ignores that one is late", () => {
  const clock = new Clock();
  clock.note(Date.parse("2026-11-28T09:00:00Z"));
  vi.advanceTimersByTime(3_000);
  expect(at(clock)).toBe("2026-11-28T09:00:03.000Z");
  clock.note(Date.parse("2026-11-28T09:00:01Z"));
  expect(at(clock)).toBe("2026-11-28T09:00:03.000Z");
  clock.note(Date.parse("2026-11-28T09:00:05Z"));
  expect(at(clock)).toBe("2026-11-28T09:00:05.000Z");
});
