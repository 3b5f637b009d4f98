import { online } from "./browser.js";
import type { Close, Status } from "./types.js";

// After these, coming back would only end in the same way. 4403 asks for a new
// login, 4409 for the user to do something.
const STAYS = [1002, 1003, 1007, 1008, 1009, 4403, 4409];

const FIRST = 500; // ms; doubles with each failure in a row
const LONGEST = 30_000;

/** Says what to make of a close frame, as the contract has it. */
export function closing(code: number, reason = ""): Close {
  const after = /window=(\d+)/.exec(reason)?.[1] ?? 0;
  return { code, reason, reconnect: !STAYS.includes(code), after: +after };
}

/** The network lost the connection, or never made it. */
export const lost = (reason: string): Close => closing(1006, reason);

/** Says what to make of an answer that refuses a connection. */
export function refusal({ status, headers }: Pick<Response, "status" | "headers">): Close {
  return {
    code: status,
    reason: status === 403 ? "origin" : "refused",
    reconnect: status !== 403,
    after: +headers.get("Retry-After")! || 0,
  };
}

/**
 * Full jitter: a random part of a wait that grows, lest all come back at once.
 * It grows to twice as much where the browser says that there is no network.
 */
export function backoff(failures: number): number {
  return Math.random() * Math.min(LONGEST, FIRST * 2 ** failures) * (online() ? 1 : 2);
}

/** Says how the page is told of a close after so many failures in a row, and how long to stay away. */
export function resting(close: Close, failures: number, error: Error | undefined): Status {
  const { code, reason, reconnect } = close;
  if (!reconnect) return { state: "closed", code, reason };
  const after = close.after * 1000;
  // A restart gives a window, of which each client takes a random part.
  const wait = code === 1012 && after ? Math.random() * after : after + backoff(failures);
  return { state: online() ? "waiting" : "offline", wait, code, reason, error };
}
