// Numbers and times as people read them.

/** The text for an unknown value. */
export const UNKNOWN = "–";

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Returns a size with at most three digits, such as 1.5 GiB. */
export function bytes(n: number): string {
  let power = 0;
  for (n = Math.max(0, n); n >= 1000 && power < SIZES.length - 1; power++) n /= 1024;
  return `${digits(n)} ${SIZES[power]}`;
}

/** Returns a number with at most three digits and k, M or G, such as 12.3k. */
export function count(n: number): string {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]] as const) {
    if (Math.abs(n) >= size) return digits(n / (size === 1e4 ? 1e3 : size)) + unit;
  }
  return n < 10 ? digits(n) : Math.round(n).toLocaleString("en");
}

/** Returns a duration in milliseconds, such as 0.42 ms or 1.2 s. */
export function ms(n: number): string {
  return n >= 1000 ? `${digits(n / 1000)} s` : `${digits(n)} ms`;
}

/** Returns two durations with their unit, or units. */
export function pair(a: number | undefined, b: number | undefined): string {
  const [one, other] = [a, b].map((n) => (n === undefined ? UNKNOWN : ms(n))) as [string, string];
  const unit = / \w+$/.exec(other)?.[0] ?? "";
  return `${unit && one.endsWith(unit) ? one.slice(0, -unit.length) : one} / ${other}`;
}

function digits(n: number): string {
  const places = n >= 100 ? 0 : n >= 10 ? 1 : 2;
  return String(Number(n.toFixed(places)));
}

/** Returns a length of time in its two largest units, such as 3 d 4 h. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return units(s, 3600, "h", 60, "min");
  return units(s, 86_400, "d", 3600, "h");
}

function units(s: number, large: number, name: string, small: number, other: string): string {
  const rest = Math.floor((s % large) / small);
  return `${Math.floor(s / large)} ${name}${rest ? ` ${rest} ${other}` : ""}`;
}

/** Returns the time of day, such as 03:07:12. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB");
}

/** Returns a time of day, with the date if that is not today's. */
export function moment(iso: string, now = Date.now()): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const today = new Date(now);
  if (at.toDateString() === today.toDateString()) return clock(at.getTime());
  const year = at.getFullYear() === today.getFullYear() ? undefined : "numeric";
  return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year })}, ${clock(at.getTime())}`;
}

/** Returns how long ago a time was, or how far ahead it is. */
export function ago(iso: string, now = Date.now()): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (Number.isNaN(seconds)) return "";
  return seconds < -1 ? `in ${duration(-seconds)}` : seconds < 1 ? "now" : `${duration(seconds)} ago`;
}

/** Returns a number and its noun. */
export const plural = (n: number, noun: string) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
