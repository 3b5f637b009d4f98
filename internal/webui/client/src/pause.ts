import { setTimer } from "./browser.js";

/** A wait that can be cut short. */
export class Pause {
  #end?: () => void;

  /** Waits for ms, or without it until end. */
  async wait(ms?: number): Promise<void> {
    let timer;
    await new Promise<void>((resolve) => {
      this.#end = resolve;
      if (ms !== undefined) timer = setTimer(resolve, ms);
    });
    clearTimeout(timer);
  }

  end(): void {
    this.#end?.();
  }
}
