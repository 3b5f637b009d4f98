// The clock of the service, which may differ from the browser's.

/** Tells the time of the service. */
export class Clock {
  #offset: number | undefined; // between the service's clock and the time since the page was opened

  /** Forgets what is known, such as when another node may answer. */
  reset(): void {
    this.#offset = undefined;
  }

  /** Takes the time of a sample that has just arrived. The one with the least delay counts. */
  note(time: number): void {
    this.#offset = Math.max(this.#offset ?? -Infinity, time - performance.now());
  }

  /** Returns the time of the service; that of the browser if the service's is not known. */
  now(): Date {
    return new Date(this.#offset === undefined ? Date.now() : this.#offset + performance.now());
  }
}
