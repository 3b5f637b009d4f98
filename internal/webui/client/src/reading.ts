import { Pause } from "./pause.js";
import type { Notification } from "./types.js";

interface Item {
  notification: Notification;
  /** How many loops have yet to handle it. */
  open: number;
  handled(): void;
}

/** What the loops over a Bell share. */
export interface Reading {
  /** Gives a notification to the loops. Resolves once they have handled it; undefined if there never was a loop. */
  give(notification: Notification): Promise<void> | undefined;
  loop(): AsyncGenerator<Notification, void, undefined>;
  /** Ends the loops, after what each has in hand. */
  close(): void;
}

/**
 * Each loop is given every notification from its beginning on, and has handled
 * one when it asks for the next. A notification that a loop was left with is
 * never handled, so the next page is given it again; a further loop in this page
 * begins after what was given out already.
 */
export function newReading(): Reading {
  const queues = new Map<Item[], Pause>(); // what each loop is given next; that of the last loop stays, for a further one
  let loops = 0;
  let over = false;

  function done(item: Item): void {
    if (--item.open === 0) item.handled();
  }

  return {
    give(notification) {
      const open = queues.size;
      if (!open) return undefined;
      return new Promise((handled) => {
        const item = { notification, open, handled };
        for (const [queue, pause] of queues) {
          queue.push(item);
          pause.end();
        }
      });
    },

    async *loop() {
      // The shortest queue is that of the loop that was given the most.
      let [queue = []] = [...queues.keys()].sort((a, b) => a.length - b.length);
      if (loops++) {
        queue = [...queue];
        for (const item of queue) item.open++;
      }
      const pause = new Pause();
      queues.set(queue, pause);
      try {
        while (!over) {
          const item = queue.shift();
          if (item) {
            yield item.notification;
            done(item);
          } else await pause.wait();
        }
      } finally {
        if (--loops) {
          queues.delete(queue);
          queue.forEach(done);
        }
      }
    },

    close() {
      over = true;
      queues.forEach((pause) => pause.end());
    },
  };
}
