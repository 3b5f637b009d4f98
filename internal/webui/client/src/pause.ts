import { setLongTimer } from "./browser.js";

/** A wait that can be ended early. */
export class Pause {
  #end?: () => void;

  /** Waits for ms or until end() is called; without ms, until end() is called. */
  async wait(ms?: number): Promise<void> {
    let timer;
    await new Promise<void>((resolve) => {
      this.#end = resolve;
      if (ms !== undefined) timer = setLongTimer(resolve, ms);
    });
    clearTimeout(timer);
  }

  end(): void {
    this.#end?.();
  }
}
