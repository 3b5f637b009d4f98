import { tried, turn, unique } from "./browser.js";
import { backoff } from "./closing.js";
import type { Service } from "./service.js";

/** What a mark does, as the paths below /inbox name it. */
export type Verb = "read" | "unread" | "archive";

/** What it is done to. */
export type Which = { ids: string[] } | { through: string } | { all: true };

interface Mark {
  id: string;
  verb: Verb;
  which: Which;
}

/** The marks of a page. */
export interface Marks {
  /** Resolves once the service has it. */
  add(verb: Verb, which: Which): Promise<void>;
  /** Takes them for the service's user from now on, and takes over what an earlier page has stored. */
  keep(): void;
  /** Delivers the marks that wait, if that is possible now. */
  deliver(): void;
}

/**
 * Marks go to the service in the order in which they were made. Those made
 * offline wait, in localStorage where there is one: whichever tab or page of
 * the user comes next delivers them. They are stored only for a user whom the
 * service has confirmed, now or on an earlier page: a token may be a wrong one.
 *
 * Delivering stops when the service's use is over; what is stored stays, and is
 * added to.
 */
export function keepMarks(service: Service): Marks {
  const waiting = new Map<string, { resolve(): void; reject(error: Error): void }>(); // by the ids of this page's marks
  let marks: Mark[] = [];
  let key: string | undefined; // where they are stored
  let delivering = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  service.over.addEventListener("abort", () => clearTimeout(timer));

  async function deliver(): Promise<void> {
    if (delivering || service.over.aborted || service.away) return;
    clearTimeout(timer);
    delivering = true;
    const end = key ? await turn(key, service.over) : () => {};
    const done = await deliverAll();
    end();
    delivering = false;
    if (service.over.aborted) return;
    if (!done) timer = setTimeout(deliver, backoff(failures++));
    else if (load().length) deliver(); // added in the meantime
  }

  async function deliverAll(): Promise<boolean> {
    for (;;) {
      const list = load();
      settle(list);
      const mark = list[0];
      if (!mark || service.over.aborted) return true;
      try {
        const refused = await post(mark);
        if (refused) waiting.get(mark.id)?.reject(refused);
      } catch {
        return false;
      }
      failures = 0;
      edit((list) => list.filter(({ id }) => id !== mark.id));
    }
  }

  // What is not in the list any more was delivered, be it by another tab.
  function settle(list: Mark[]): void {
    for (const [id, { resolve }] of waiting) {
      if (list.some((mark) => mark.id === id)) continue;
      waiting.delete(id);
      resolve();
    }
  }

  /** Returns why the service will never take it; throws if it may later. */
  async function post({ verb, which }: Mark): Promise<Error | void> {
    const init = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(which),
      keepalive: true, // a page may mark and leave
    };
    const { ok, status } = await service.fetch(service.at(`inbox/${verb}`), init, service.user);
    if (status === 401 || status === 429 || status > 499) throw status;
    if (!ok) return new Error(`${verb}: ${status}`);
  }

  function load(): Mark[] {
    try {
      if (key) marks = marksIn(localStorage.getItem(key));
    } catch {
      key = undefined; // refused: they last as long as the page
    }
    return marks;
  }

  function edit(change: (list: Mark[]) => Mark[]): void {
    marks = change(load());
    const text = JSON.stringify(marks);
    try {
      if (key) localStorage.setItem(key, text);
      if (key && localStorage.getItem(key) === text) return;
    } catch {
      // Full, or refused.
    }
    key = undefined;
  }

  return {
    deliver,

    add(verb, which) {
      const id = unique();
      edit((list) => [...list, { id, verb, which }]);
      const added = new Promise<void>((resolve, reject) => waiting.set(id, { resolve, reject }));
      deliver();
      return added;
    },

    keep() {
      const { base, user, confirmed } = service;
      const own = load().filter(({ id }) => waiting.has(id));
      edit((list) => list.filter(({ id }) => !waiting.has(id)));
      marks = []; // the rest are of the user to whom these seemed to belong
      const place = `bellhop/1 ${base} ${user} marks`;
      key = user && (confirmed || tried(() => localStorage.getItem(place))) ? place : undefined;
      edit((list) => [...list, ...own]);
      deliver();
    },
  };
}

/** Reads what is stored. Others may have written there; what is no mark, the service refuses. */
function marksIn(text: string | null): Mark[] {
  const stored: unknown = tried(() => JSON.parse(text!));
  return Array.isArray(stored) ? stored.filter((mark) => mark?.id) : [];
}
