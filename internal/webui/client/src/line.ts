import { Connection, type Listener } from "./connection.js";
import type { Tokens } from "./tokens.js";
import type { Frame, Status } from "./types.js";

const ANSWERS_WITHIN = 5_000; // ms, before a leader is taken to sleep

/** What tabs tell each other. Only the leader tells of frames and status. */
interface Word {
  frame?: Frame | undefined;
  status?: Status;
  /** Where the leader stands or resumes: who stands elsewhere has missed something. */
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

/**
 * The tabs of a browser share one connection. The tab that holds the lock leads:
 * it has the connection, and hands on what comes. When it goes, the next has
 * the lock and resumes from where it stands itself. A tab that stands elsewhere
 * than the leader first catches up on a connection of its own.
 */
export class Line {
  #base: URL;
  #tokens: Tokens;
  #tab: Tab;
  #name: string;
  #connection: Connection | undefined; // the leader's; or one to catch up
  #leads = false;
  #held: Frame[] | undefined; // of the leader, until this tab has caught up
  #channel: BroadcastChannel | undefined;
  #vote: AbortController | undefined; // ends the lead, or the wait for it
  #doubt: ReturnType<typeof setTimeout> | undefined;

  constructor(base: URL, tokens: Tokens, share: boolean, tab: Tab) {
    this.#base = base;
    this.#tokens = tokens;
    this.#tab = tab;
    this.#name = `bellhop/1 ${base} ${tokens.user}`;
    if (!share || !tokens.user || !globalThis.navigator?.locks || !globalThis.BroadcastChannel) {
      this.#lead();
      return;
    }
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => (this.#leads ? this.#answer(data) : this.#follow(data));
    this.#stand();
  }

  wake(): void {
    this.#connection?.wake();
    if (!this.#leads) this.#ask("wake");
  }

  open(): void {
    this.#connection?.open();
    if (!this.#leads) this.#ask("open");
  }

  close(): void {
    const vote = this.#vote;
    this.#vote = undefined;
    vote?.abort();
    clearTimeout(this.#doubt);
    this.#channel?.close();
    this.#connection?.close();
  }

  /** Waits for the lead, or takes it. Whoever loses it follows. */
  async #stand(steal = false): Promise<void> {
    this.#vote?.abort();
    const vote = (this.#vote = new AbortController());
    const { signal } = vote;
    this.#ask("open");
    try {
      await navigator.locks.request(this.#name, steal ? { steal } : { signal }, () => {
        if (signal.aborted) return;
        this.#lead();
        return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      });
    } catch {
      // Another took it, or this tab does not want it any more.
    }
    if (this.#vote !== vote) return;
    this.#leads = false;
    this.#connection?.close();
    this.#connection = undefined;
    this.#stand();
  }

  #lead(): void {
    clearTimeout(this.#doubt);
    this.#leads = true;
    this.#held = undefined; // comes again
    this.#connection?.close();
    this.#connection = new Connection(this.#base, this.#tokens, {
      cursor: () => this.#tab.cursor(),
      hear: (frame) => {
        this.#say(frame.event === "welcome" ? { frame, from: this.#tab.cursor() } : { frame });
        this.#tab.hear(frame);
      },
      tell: (status) => {
        this.#say({ status });
        this.#tab.tell(status);
      },
    });
  }

  #answer({ ask }: Word): void {
    if (ask === "open") this.#connection?.open();
    if (ask === "wake") this.#connection?.wake();
    if (!ask) return;
    const word: Word = { status: this.#connection!.status };
    const cursor = this.#tab.cursor();
    if (cursor && word.status!.state === "open") {
      word.from = cursor;
      if (ask !== "wake") word.frame = this.#tab.live();
    }
    this.#say(word);
  }

  #follow({ status, frame, ...word }: Word): void {
    if (!status && !frame) return; // another's question
    clearTimeout(this.#doubt);
    const joins = "from" in word;
    if (joins) this.#compare(word.from);
    if (status) this.#tab.tell(status);
    if (!frame) return;
    if (!this.#held) this.#tab.hear(frame);
    else if (!joins) this.#held.push(frame);
  }

  #compare(from: string | undefined): void {
    const here = this.#tab.cursor();
    if (!here) this.#tab.stand(from);
    else if (here !== from && !this.#held) this.#catchUp(from);
  }

  #catchUp(from: string | undefined): void {
    this.#held = [];
    const own = (this.#connection = new Connection(this.#base, this.#tokens, {
      cursor: () => this.#tab.cursor(),
      hear: (frame) => {
        this.#tab.hear(frame);
        if (frame.event !== "live") return;
        own.close();
        this.#connection = undefined;
        const held = this.#held!;
        this.#held = undefined;
        this.#tab.stand(from); // what follows is in what was held, and repeats are dropped
        held.forEach((frame) => this.#tab.hear(frame));
        this.#ask("hello"); // for the unread count of now
      },
      tell: () => {}, // the leader's counts
    }));
  }

  #ask(ask: Word["ask"]): void {
    this.#say({ ask });
    clearTimeout(this.#doubt);
    // A device may put a tab to sleep that holds the lock.
    this.#doubt = setTimeout(() => this.#stand(true), ANSWERS_WITHIN);
  }

  #say(word: Word): void {
    this.#channel?.postMessage(word);
  }
}
