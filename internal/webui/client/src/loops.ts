import { Pause } from "./pause.js";
import type { Notification } from "./types.js";

const MAX_QUEUED = 1_000; // notifications kept for the next loop while no loop runs

interface Item {
  notification: Notification;
  /** The number of loops that have not handled it yet. */
  count: number;
  handled(): void;
}

/** The loops that iterate over a Bell. */
export interface Loops {
  /** A loop has ended early, so the cursor must not move past its last notification in this page. */
  left: boolean;
  /** Adds a notification to the queue of each loop. Resolves when all have handled it; immediately if no loop has ever begun. */
  push(notification: Notification): Promise<void>;
  loop(): AsyncGenerator<Notification, void, undefined>;
  /** Ends each loop after its current notification. */
  close(): void;
}

/**
 * Creates a set of loops. Each loop yields every notification that arrives after the
 * loop began, and has handled a notification when it asks for the next one. The last
 * notification of a loop that ended early is never handled, so the next page receives
 * it again. A further loop in this page continues after the notifications that were
 * already yielded, with at most the last 1,000.
 */
export function newLoops(): Loops {
  const queues = new Map<Item[], Pause>(); // one per loop; the queue of the last loop stays for the next loop
  let running = 0;
  let closed = false;

  function done(item: Item): void {
    if (--item.count === 0) item.handled();
  }

  const loops: Loops = {
    left: false,

    push(notification) {
      const count = queues.size;
      return new Promise((handled) => {
        const item = { notification, count, handled };
        for (const [queue, pause] of queues) {
          queue.push(item);
          pause.end();
          if (!running && queue.length > MAX_QUEUED) queue.shift();
        }
        if (!count) handled();
      });
    },

    async *loop() {
      // The shortest queue belongs to the loop that has yielded the most.
      let [queue = []] = [...queues.keys()].sort((a, b) => a.length - b.length);
      if (running++) {
        queue = [...queue];
        for (const item of queue) item.count++;
      }
      const pause = new Pause();
      queues.set(queue, pause);
      try {
        while (!closed) {
          const item = queue.shift();
          if (item) {
            yield item.notification;
            done(item);
          } else await pause.wait();
        }
      } finally {
        loops.left = true;
        if (--running) {
          queues.delete(queue);
          queue.forEach(done);
        }
      }
    },

    close() {
      closed = true;
      queues.forEach((pause) => pause.end());
    },
  };
  return loops;
}
