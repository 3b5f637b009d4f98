// Features that browsers, workers and Node have in different ways, or refuse.

/** Milliseconds that pass evenly, also when the device's clock is set. */
export const now = (): number => performance.now();

/** Calls what after ms, or after 24 days, the longest that a timer can wait: with more, it would fire at once. */
export const setTimer = (what: () => void, ms: number) => setTimeout(what, Math.min(ms, 2 ** 31 - 1));

/** Returns what a feature gives, or undefined where it is missing or refused. */
export function tried<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}

/** False if the browser says that it has no network, which may be wrong. */
export const online = (): boolean => globalThis.navigator?.onLine !== false;

/** True while nobody can see the page. A worker is never hidden. */
export const isHidden = (): boolean => globalThis.document?.visibilityState === "hidden";

/** Shows an error of the page's own code, without stopping anything here. */
export const report = (error: unknown): void => (globalThis.reportError ?? console.error)(error);

export const unique = (): string => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * Does work, and gives it up after ms or when over is aborted: then its signal
 * is aborted, and the caller waits no longer in any case.
 */
export async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>, over?: AbortSignal): Promise<T> {
  over?.throwIfAborted();
  const stop = new AbortController();
  const { signal } = stop;
  const timer = setTimeout(() => stop.abort(new Error(`no answer within ${ms / 1000} s`)), ms);
  over?.addEventListener("abort", () => stop.abort(over.reason), { signal });
  const givenUp = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  try {
    return await Promise.race([work(signal), givenUp]);
  } finally {
    clearTimeout(timer);
    stop.abort(); // takes the listener off
  }
}

/**
 * Waits until no other tab has a turn of this name, where the browser can see to
 * that, but not for a tab that is asleep. Returns what ends the turn.
 */
export async function turn(name: string, over: AbortSignal): Promise<() => void> {
  try {
    const wait = (signal: AbortSignal) =>
      new Promise<() => void>((begin, refuse) => {
        navigator.locks.request(name, { signal }, () => new Promise<void>(begin)).catch(refuse);
      });
    return await within(10_000, wait, over);
  } catch {
    return () => {};
  }
}
