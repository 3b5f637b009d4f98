import { isHidden, tried, unique } from "./browser.js";
import { connectTo, STEADY, type Connection, type Listener } from "./connection.js";
import type { Service } from "./service.js";
import type { Frame, Status } from "./types.js";

const QUIET = 20_000; // ms without a word, after which a tab asks whether the leader is there
const ANSWERS_WITHIN = 5_000; // ms, after which a leader is taken to be asleep
const HIDDEN = 5_000; // ms of silence, after which a tab that is seen leads instead of one that is not
const SICK = 30_000; // ms without a steady connection, after which a leader lets another tab try

/** What tabs tell each other: a leader what happens, a follower what it asks for. */
interface Word {
  /** The leader that says it. */
  by?: string;
  /** It has begun to lead. */
  leads?: boolean;
  frame?: Frame | undefined;
  status?: Status;
  /** Nobody sees its tab. */
  hidden?: boolean;
  /** Attempts that failed in a row. */
  failures?: number;
  /** Where the leader stands or resumes: a tab that stands elsewhere has missed something. */
  from?: string | undefined;
  /** To the leader. */
  ask?: "hello" | "wake" | "open";
}

/** Who is at the end of the line. */
export interface Tab extends Listener {
  /** The tab stands here now. */
  stand(cursor: string | undefined): void;
  /** What a tab is told that joins a connection that is live. */
  live(): Frame | undefined;
}

/** What a tab has of the connection. */
export type Line = Pick<Connection, "wake" | "open" | "close">;

/**
 * The tabs of a browser share one connection. The tab that holds the lock leads:
 * it has the connection, and hands on what comes. When it goes, the next has
 * the lock and resumes from where it stands itself. A tab that stands elsewhere
 * than the leader first catches up on a connection of its own.
 *
 * The lock is taken from a leader that does not answer, or that is hidden while
 * another tab is seen; and a leader that cannot connect lets it go. A leader
 * that has lost the lock follows the new one: it hears of it from the browser,
 * and from the new leader's first word.
 *
 * Begins after a rest, if there is one.
 */
export function openLine(service: Service, share: boolean, tab: Tab, rest?: Status): Line {
  const name = `bellhop/2 ${service.base} ${service.user}`;
  const id = unique();
  let channel = share && service.user ? tried(() => new BroadcastChannel(name)) : undefined;
  let connection: Connection | undefined; // the leader's; or one to catch up
  let leads = false;
  let leader: string | undefined; // whose words count
  let leaderHidden = false;
  let robbed = false; // of the lead, by a leader that was not heard yet
  let failures = 0; // the leader's
  let held: Frame[] | undefined; // of the leader, until this tab has caught up
  let vote: AbortController | undefined; // ends the lead, or the wait for it
  let doubt: Timer; // whether the leader is there
  let sick: Timer; // whether this leader has tried for long enough
  let steady: Timer; // whether its connection is a good one

  /** Waits for the lock, or takes it; leads while it has it, and follows otherwise. */
  async function stand(steal = false): Promise<void> {
    quit();
    const mine = (vote = new AbortController());
    const { signal } = mine;
    let granted = false;
    ask("open");
    try {
      await navigator.locks.request(name, steal ? { steal } : { signal }, () => {
        if (signal.aborted) return;
        granted = true;
        lead();
        return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      });
    } catch {
      // Another tab took it, this one does not want it any more, or locks are refused.
    }
    if (vote !== mine) return;
    robbed = granted;
    if (granted) stand();
    else goAlone();
  }

  /** Stops leading, or waiting for it. */
  function quit(): void {
    release();
    leads = false;
    leader = undefined;
    clear();
  }

  function release(): void {
    const mine = vote;
    vote = undefined;
    mine?.abort();
  }

  function clear(): void {
    [doubt, sick, steady].forEach(clearTimeout);
    sick = undefined;
    connection?.close();
    connection = undefined;
  }

  function unshare(): void {
    channel?.close();
    channel = undefined;
  }

  /** Goes on without the other tabs. */
  function goAlone(): void {
    unshare();
    release();
    if (!leads) lead();
  }

  function lead(): void {
    clear();
    leads = true;
    held = undefined; // comes again
    say({ leads });
    const listener: Listener = {
      cursor: tab.cursor,
      hear: (frame) => {
        say({ frame, ...(frame.event === "welcome" && { from: tab.cursor() }) });
        tab.hear(frame);
      },
      tell: (status) => {
        tab.tell(status); // which may close this line
        sayStatus(status);
        mind(status);
      },
    };
    connection = connectTo(service, listener, failures, rest);
  }

  /** Minds how long this leader has been without a good connection. */
  function mind({ state }: Status): void {
    if (!channel) return;
    const well = () => {
      clearTimeout(sick);
      sick = undefined;
    };
    clearTimeout(steady);
    if (state === "closed") well();
    else if (state === "open") steady = setTimeout(well, STEADY);
    else sick ??= setTimeout(giveUp, SICK);
  }

  /** Lets another tab try; without one, this tab leads again. */
  function giveUp(): void {
    sick = undefined;
    if (connection!.patient) return mind(connection!.status);
    failures = connection!.failures;
    stand();
  }

  function answer({ ask, leads }: Word): void {
    if (leads) return void stand(); // another tab took the lock
    if (!ask) return;
    if (ask !== "hello") connection![ask]();
    const { status } = connection!;
    const from = tab.cursor();
    const stands = from && status.state === "open";
    sayStatus(status, stands ? { from, frame: ask === "open" ? tab.live() : undefined } : {});
  }

  function follow({ by, leads, status, hidden, frame, ...word }: Word): void {
    if (!by) return; // another's question
    if (leads) leader = by;
    if (by !== (leader ??= by)) return;
    robbed = false;
    const joins = "from" in word;
    if (joins) compare(word.from);
    if (status) {
      failures = word.failures!;
      leaderHidden = hidden! && status.state !== "closed";
      if (!held) tab.tell(status);
    }
    expect();
    if (!frame) return;
    if (!held) tab.hear(frame);
    else if (!joins) held.push(frame);
  }

  function compare(from: string | undefined): void {
    const here = tab.cursor();
    if (!here) tab.stand(from);
    else if (here !== from && !held) catchUp(from);
  }

  function catchUp(from: string | undefined): void {
    held = [];
    const own = (connection = connectTo(service, {
      cursor: tab.cursor,
      tell: tab.tell,
      hear: (frame) => {
        tab.hear(frame);
        if (frame.event !== "live") return;
        own.close();
        connection = undefined;
        const frames = held!;
        held = undefined;
        tab.stand(from); // what follows is in what was held, and repeats are dropped
        frames.forEach(tab.hear);
        ask("open"); // for the status and the unread count of now
      },
    }));
  }

  /** Expects to hear from the leader now and then; but takes its place if it is hidden, and this tab is seen. */
  function expect(): void {
    const outranks = () => leaderHidden && !isHidden();
    clearTimeout(doubt);
    doubt = setTimeout(() => {
      leader = undefined; // whichever answers
      if (outranks()) stand(true);
      else ask("hello");
    }, outranks() ? HIDDEN : QUIET);
  }

  function ask(ask: Word["ask"]): void {
    if (!channel) return; // alone, or closed
    clearTimeout(doubt);
    // Tabs that cannot hear each other do not take the lead from each other for ever.
    doubt = setTimeout(() => (robbed ? goAlone() : stand(true)), ANSWERS_WITHIN);
    say({ ask });
  }

  // Without an error, which is this tab's own, and may hold what cannot be copied.
  function sayStatus({ error, ...status }: Status, more?: Word): void {
    say({ status, hidden: isHidden(), failures: connection?.failures ?? failures, ...more });
  }

  function say(word: Word): void {
    try {
      channel?.postMessage(leads ? { by: id, ...word } : word);
    } catch {
      goAlone();
    }
  }

  if (channel) {
    channel.onmessage = ({ data }) => (leads ? answer(data) : follow(data));
    stand();
  } else lead();

  return {
    wake(networkLost) {
      connection?.wake(networkLost);
      if (leads) sayStatus(connection!.status); // it may not be hidden any more
      else if (!networkLost) ask("wake");
    },
    open() {
      connection?.open();
      if (!leads) ask("open");
    },
    close() {
      quit();
      unshare();
    },
  };
}

type Timer = ReturnType<typeof setTimeout> | undefined;
