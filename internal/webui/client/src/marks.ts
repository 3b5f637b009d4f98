import { ifAvailable, acquireLock, randomId } from "./browser.js";
import { backoff } from "./close.js";
import type { Service } from "./service.js";

/** The action of a mark, named as in the paths below /inbox. */
export type Verb = "seen" | "read" | "unread" | "archive";

/** The notifications that a mark applies to. */
export type Target = { ids: string[] } | { through: string } | { all: true };

/**
 * A mark as it is stored in localStorage, so its fields keep their names. Each mark
 * has a key of its own: two tabs that edit a common list at the same time would lose
 * marks, since each browser process has its own copy of the storage for a moment.
 */
interface Mark {
  /** Sorts in the order in which the marks were made. */
  id: string;
  verb: Verb;
  which: Target;
}

/** Delivers the marks of a page to the service. */
export interface Marks {
  /** Adds a mark. Resolves when the service has stored it; rejects if the service refuses it permanently. */
  add(verb: Verb, target: Target): Promise<void>;
  /** Assigns this page's marks to the service's current user, and loads the marks that earlier pages of this user stored. */
  assign(): void;
  /** Delivers waiting marks, if that is possible now. */
  deliver(): void;
}

/**
 * Creates the queue of marks. The service receives marks in the order in which they
 * were made. Marks made offline wait, in localStorage if the page has one, and the
 * next tab or page of the same user delivers them. They are stored only for a user
 * whom the service has confirmed, in this page or an earlier one, since the token may
 * name the wrong user.
 *
 * After service.closed, marks are still stored but no longer delivered.
 */
export function newMarks(service: Service): Marks {
  const unsettled = new Map<string, { resolve(): void; reject(error: Error): void }>(); // the marks of this page, by their ids
  let marks: Mark[] = [];
  let prefix: string | undefined; // of the keys; undefined while marks are not stored
  let delivering = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  service.signal.addEventListener("abort", () => clearTimeout(timer));

  async function deliver(): Promise<void> {
    if (delivering || service.signal.aborted || service.loggedOut) return;
    clearTimeout(timer);
    delivering = true;
    const releaseLock = prefix ? await acquireLock(prefix, service.signal) : () => {};
    const complete = await deliverAll();
    releaseLock();
    delivering = false;
    if (service.signal.aborted) return;
    if (!complete) timer = setTimeout(deliver, backoff(failures++));
    else if (load().length) deliver(); // marks were added while delivering
  }

  async function deliverAll(): Promise<boolean> {
    for (;;) {
      const list = load();
      resolveDelivered(list);
      const mark = list[0];
      if (!mark || service.signal.aborted) return true;
      try {
        const refused = await post(mark);
        if (refused) unsettled.get(mark.id)?.reject(refused);
      } catch {
        return false;
      }
      failures = 0;
      remove(mark);
    }
  }

  // A mark that is no longer in the list has been delivered, possibly by another tab.
  function resolveDelivered(list: Mark[]): void {
    for (const [id, { resolve }] of unsettled) {
      if (list.some((mark) => mark.id === id)) continue;
      unsettled.delete(id);
      resolve();
    }
  }

  /** Posts a mark. Returns an error if the service refuses the mark permanently; throws if it may accept it later. */
  async function post({ verb, which }: Mark): Promise<Error | void> {
    const init = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(which),
      keepalive: true, // the request completes even if the page closes
    };
    const { ok, status } = await service.fetch(service.url(`inbox/${verb}`), init, service.user);
    if (status === 401 || status === 429 || status > 499) throw status;
    if (!ok) return new Error(`${verb}: ${status}`);
  }

  /** Returns the marks in their order. If the storage is refused, they are kept in memory only. */
  function load(): Mark[] {
    try {
      if (prefix) {
        const ids = Array.from({ length: localStorage.length }, (_, i) => localStorage.key(i)!.split(prefix!)[1] ?? "").sort();
        marks = ids.flatMap((id) => (/^\d{9} \S+$/.test(id) ? parseMarks(`[${localStorage.getItem(prefix + id)}]`).map((mark) => ({ ...mark, id })) : []));
      }
    } catch {
      prefix = undefined;
    }
    return marks;
  }

  function insert(mark: Mark): void {
    marks = [...load(), mark];
    store(mark, JSON.stringify(mark));
  }

  function remove(mark: Mark): void {
    marks = load().filter(({ id }) => id !== mark.id);
    store(mark, null);
  }

  /** Stores the text of a mark, or removes it. If that fails, all marks are kept in memory from now on. */
  function store({ id }: Mark, text: string | null): void {
    if (!prefix) return;
    try {
      if (text) localStorage.setItem(prefix + id, text);
      else localStorage.removeItem(prefix + id);
      if (localStorage.getItem(prefix + id) === text) return;
    } catch {
      // The storage is full, or refused.
    }
    prefix = undefined;
  }

  return {
    deliver,

    add(verb, which) {
      const id = newId((parseInt(load().at(-1)?.id ?? "") || 0) + 1, randomId());
      insert({ id, verb, which });
      const added = new Promise<void>((resolve, reject) => unsettled.set(id, { resolve, reject }));
      deliver();
      return added;
    },

    assign() {
      const { base, user, confirmed } = service;
      const own = load().filter(({ id }) => unsettled.has(id));
      own.forEach(remove);
      marks = []; // the other marks belong to the previous user
      const key = `bellhop/1 ${base} ${user} marks`; // its presence means that the service has confirmed the user; older versions stored the marks there
      const stored = ifAvailable(() => localStorage.getItem(key)) ?? null;
      prefix = user && (confirmed || stored) ? `${key} ` : undefined;
      if (prefix && stored !== "[]") ifAvailable(() => localStorage.setItem(key, "[]"));
      const old = parseMarks(stored).map((mark, at) => ({ ...mark, id: newId(at, mark.id) })); // the same ids in each tab
      [...old, ...own].forEach(insert);
      deliver();
    },
  };
}

/** Returns an id that sorts by position. */
const newId = (position: number, unique: string): string => `${String(position).padStart(9, "0")} ${unique}`;

/** Parses stored marks. Other code may have written there; the service refuses invalid marks. */
function parseMarks(text: string | null): Mark[] {
  const stored: unknown = ifAvailable(() => JSON.parse(text!));
  return Array.isArray(stored) ? stored.filter((mark) => mark?.id) : [];
}
