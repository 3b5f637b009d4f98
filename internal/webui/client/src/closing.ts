import type { Close } from "./types.js";

// After these, coming back would only end in the same way. 4403 asks for a new
// login, 4409 for the user to do something.
const STAYS = [1002, 1003, 1007, 1008, 1009, 4403, 4409];

const FIRST = 500; // ms; doubles with each failure in a row
const LONGEST = 30_000;

/** Says what to make of a close frame, as the contract has it. */
export function closing(code: number, reason = ""): Close {
  const window = /window=(\d+)/.exec(reason);
  return { code, reason, reconnect: !STAYS.includes(code), after: window ? +window[1]! : 0 };
}

/** The network lost the connection, or never made it. */
export const lost = (reason: string): Close => closing(1006, reason);

/** Says what to make of an answer that refuses a connection. */
export function refusal(answer: Response): Close {
  return {
    code: answer.status,
    reason: answer.status === 403 ? "origin" : "refused",
    reconnect: answer.status !== 403,
    after: Number(answer.headers.get("Retry-After")) || 0,
  };
}

/** Full jitter: a random part of a wait that grows, lest all come back at once. */
export function backoff(failures: number): number {
  return Math.random() * Math.min(LONGEST, FIRST * 2 ** failures);
}

/** Milliseconds to stay away: a part of a restart's window, else what was asked for and the backoff. */
export function away({ code, after }: Close, failures: number): number {
  return code === 1012 && after ? Math.random() * after * 1000 : after * 1000 + backoff(failures);
}
