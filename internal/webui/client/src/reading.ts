import { Pause } from "./pause.js";
import type { Notification } from "./types.js";

const KEPT = 1_000; // notifications for a further loop, while there is none

interface Item {
  notification: Notification;
  /** How many loops have yet to handle it. */
  open: number;
  handled(): void;
}

/** What the loops over a Bell share. */
export interface Reading {
  /** A loop was left, so what it had in hand and all after it is never handled in this page. */
  left: boolean;
  /** Gives a notification to the loops. Resolves once they have handled it; at once if there never was a loop. */
  give(notification: Notification): Promise<void>;
  loop(): AsyncGenerator<Notification, void, undefined>;
  /** Ends the loops, after what each has in hand. */
  close(): void;
}

/**
 * Each loop is given every notification from its beginning on, and has handled
 * one when it asks for the next. A notification that a loop was left with is
 * never handled, so the next page is given it again; a further loop in this page
 * begins after what was given out already, with the last thousand at most.
 */
export function newReading(): Reading {
  const queues = new Map<Item[], Pause>(); // what each loop is given next; that of the last loop stays, for a further one
  let loops = 0;
  let over = false;

  function done(item: Item): void {
    if (--item.open === 0) item.handled();
  }

  const reading: Reading = {
    left: false,

    give(notification) {
      const open = queues.size;
      return new Promise((handled) => {
        const item = { notification, open, handled };
        for (const [queue, pause] of queues) {
          queue.push(item);
          pause.end();
          if (!loops && queue.length > KEPT) queue.shift();
        }
        if (!open) handled();
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
        reading.left = true;
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
  return reading;
}
