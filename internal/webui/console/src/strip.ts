// The strip at the top: whether the service is ready, and its most important numbers.

import { byId, fill, h, setText } from "./dom.js";
import { clock, count, duration, pair, UNKNOWN } from "./format.js";
import { mean, newest, total, type Ring } from "./ring.js";
import type { State } from "./stream.js";
import type { Hello, Percentiles, Sample } from "./types.js";

/** Rates are means of so many seconds, since single ones are hard to read. */
const RATE = 5;

/** The state of a node that may be ready, and does not reach the other nodes. */
export const CUT_OFF = "cut off from the nodes";

/** A percentile is shown for so many seconds after it was measured. */
const STALE = 10;

export class Strip {
  #hello: Hello = {};
  #state: State = { phase: "connecting" };
  #figures = new Map<string, Element>();

  constructor(readonly ring: Ring) {
    for (const element of document.querySelectorAll("[data-figure]")) this.#figures.set(element.getAttribute("data-figure")!, element);
  }

  hello(hello: Hello): void {
    this.#hello = hello;
    this.#set("node", hello.node ?? UNKNOWN);
    this.#set("version", hello.version ?? UNKNOWN);
    this.#figures.get("version")!.setAttribute("title", hello.revision ? `revision ${hello.revision}` : "");
    setText(byId("who"), hello.principal ? `You act as ${hello.principal}${hello.local ? ", from this machine" : ""}.` : "");
    document.title = `${hello.node ?? "bellhop"} – bellhop console`;
  }

  state(state: State): void {
    this.#state = state;
    this.draw();
  }

  draw(): void {
    const { last, samples } = this.ring;
    this.#status(last);
    this.#trouble();
    if (!last) return;
    const connections = total(last.connections);
    const limit = last.connections_limit;
    this.#set("connections", connections === undefined ? UNKNOWN : count(connections));
    this.#set("limit", limit ? `of ${count(limit)}` : "");
    this.#set("publishes", rate(mean(samples, RATE, ({ publishes }) => total(publishes))));
    this.#set("deliveries", rate(mean(samples, RATE, ({ deliveries }) => deliveries)));
    this.#set("publish", percentiles(newest(samples, STALE, ({ publish_ms }) => publish_ms)));
    this.#set("delivery", percentiles(newest(samples, STALE, ({ delivery_ms }) => delivery_ms)));
    const started = Date.parse(this.#hello.started ?? "");
    this.#set("uptime", Number.isNaN(started) ? UNKNOWN : duration((last.time - started) / 1000));
  }

  #status(last: Sample | undefined): void {
    const status = byId("status");
    const live = this.#state.phase === "live" && last;
    const cutOff = live && last.ready ? last.nodes?.find((node) => node.this)?.cut_off : undefined;
    const kind = !live ? "unknown" : last.ready && !cutOff ? "good" : "bad";
    status.className = `status ${kind}`;
    const text = !live ? (this.#state.phase === "connecting" ? "Connecting" : "Unknown") : !last.ready ? "Not ready" : cutOff ? `Ready, but ${CUT_OFF}` : "Ready";
    setText(status.querySelector("strong")!, text);
    setText(status.querySelector("span")!, (live && !last.ready && last.reason) || cutOff || "");
  }

  /** Shows plainly that the numbers are old. */
  #trouble(): void {
    const state = this.#state;
    const box = byId("trouble");
    document.body.classList.toggle("stale", state.phase === "lost");
    box.hidden = state.phase !== "lost";
    if (state.phase !== "lost") return;
    fill(byId("trouble-text"), h("strong", {}, `No connection since ${clock(state.since)}: `), `${state.why}. ${this.ring.last ? "The numbers are those of that time. " : ""}`);
    this.countdown();
  }

  /** Shows when the next attempt is. */
  countdown(now = Date.now()): void {
    if (this.#state.phase !== "lost") return;
    const seconds = Math.max(0, Math.ceil((this.#state.retryAt - now) / 1000));
    setText(byId("trouble-next"), seconds ? `Next attempt in ${seconds} s.` : "Connecting …");
  }

  #set(figure: string, text: string): void {
    setText(this.#figures.get(figure)!, text);
  }
}

const rate = (n: number | undefined) => (n === undefined ? UNKNOWN : count(n));

function percentiles(p: Percentiles | undefined): string {
  if (p?.p50 === undefined && p?.p99 === undefined) return UNKNOWN;
  return pair(p.p50, p.p99);
}
