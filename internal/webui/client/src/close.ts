import { online } from "./browser.js";
import type { Close, Status } from "./types.js";

// Close codes after which a reconnect would fail in the same way. 4403 requires a
// new login, 4409 an action of the user.
const FINAL_CODES = [1002, 1003, 1007, 1008, 1009, 4403, 4409];

const FIRST_WAIT = 500; // ms; doubles with each consecutive failure
const MAX_WAIT = 30_000;

/** Returns the Close for a close code and its reason, as asyncapi.yaml defines them. */
export function toClose(code: number, reason = ""): Close {
  const after = /window=(\d+)/.exec(reason)?.[1] ?? 0;
  return { code, reason, reconnect: !FINAL_CODES.includes(code), after: +after };
}

/** Returns the Close of a connection that the network lost or never established. */
export const connectionLost = (reason: string): Close => toClose(1006, reason);

/** Returns the Close for an HTTP response that refuses a connection. */
export function refused({ status, headers }: Pick<Response, "status" | "headers">): Close {
  return {
    code: status,
    reason: status === 403 ? "origin" : "refused",
    reconnect: status !== 403,
    after: +headers.get("Retry-After")! || 0,
  };
}

/**
 * Returns the milliseconds to wait after this number of failures: a random part of
 * an exponentially growing limit (full jitter), so that clients do not reconnect at
 * the same time. The limit is doubled if the browser reports that it has no network.
 */
export function backoff(failures: number): number {
  return Math.random() * Math.min(MAX_WAIT, FIRST_WAIT * 2 ** failures) * (online() ? 1 : 2);
}

/** Returns the status after a close that follows this number of consecutive failures, with the time to wait. */
export function statusAfter(close: Close, failures: number, error: Error | undefined): Status {
  const { code, reason, reconnect } = close;
  if (!reconnect) return { state: "closed", code, reason };
  const after = close.after * 1000;
  // A restarting service sends a window; each client returns at a random time within it.
  const wait = code === 1012 && after ? Math.random() * after : after + backoff(failures);
  return { state: online() ? "waiting" : "offline", wait, code, reason, error };
}
