// The charts and the table of nodes.

import { Chart } from "./chart.js";
import { byId, fill, h, setText } from "./dom.js";
import { clock, count, duration, UNKNOWN } from "./format.js";
import { panels } from "./panels.js";
import { nodes, type Ring } from "./ring.js";
import { CUT_OFF } from "./strip.js";
import type { Sample } from "./types.js";

export class Live {
  #charts = panels().map((panel) => new Chart(panel, (time) => this.#at(time)));
  #view = byId("view-live");
  #grid = byId("charts");
  #pause = byId<HTMLButtonElement>("pause");
  #spoken = byId("spoken");
  #held: readonly Sample[] | undefined; // what is shown while the charts stand still
  #seen = new Set<Element>(); // the charts that are in sight

  constructor(readonly ring: Ring) {
    this.#grid.append(...this.#charts.map(({ element }) => element));
    this.#pause.addEventListener("click", () => this.#hold(!this.#held));
    this.#grid.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.draw(true)).observe(this.#grid);
    const seen = new IntersectionObserver((entries) => this.#see(entries), { rootMargin: "300px" }); // drawn before they scroll into sight
    for (const { element } of this.#charts) seen.observe(element);
    document.addEventListener("visibilitychange", () => this.draw());
  }

  /** Draws the samples, unless nobody sees them. */
  draw(always = false): void {
    if (this.#view.hidden || document.hidden || (this.#held && !always)) return;
    for (const chart of this.#charts) chart.draw(this.#samples, this.#seen.has(chart.element));
    this.#nodes();
  }

  get #samples(): readonly Sample[] {
    return this.#held ?? this.ring.samples;
  }

  recolor(): void {
    for (const chart of this.#charts) chart.recolor();
  }

  #see(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.#seen.add(target);
      else this.#seen.delete(target);
    }
    this.draw(true);
  }

  #hold(paused: boolean): void {
    this.#held = paused ? [...this.ring.samples] : undefined;
    this.#pause.setAttribute("aria-pressed", String(paused));
    this.draw();
  }

  /** Shows the time at the crosshair. */
  #at(time: string): void {
    setText(byId("at"), time && `At ${time}`);
  }

  /** Moves the crosshair with the keys. */
  #key(event: KeyboardEvent): void {
    const steps: Record<string, number | undefined> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -1e6, End: 1e6, Escape: undefined };
    if (!(event.key in steps) || event.target !== this.#grid) return;
    event.preventDefault();
    for (const chart of this.#charts) {
      chart.draw(this.#samples); // also those out of sight
      chart.move(steps[event.key]);
    }
    const { time } = this.#charts[0]!;
    setText(this.#spoken, time && [time, ...this.#charts.filter(({ element }) => !element.hidden).map(({ panel, text }) => `${panel.title}: ${text}`)].join(". "));
  }

  #nodes(): void {
    const all = nodes(this.#samples);
    const section = byId("nodes");
    section.hidden = all.length === 0;
    fill(section.querySelector("tbody")!, ...all.map((node) => h("tr", {},
      h("th", { scope: "row" }, node.name, " ", node.this && h("span", { class: "tag" }, "this node")),
      h("td", { class: "reason" }, ...state(node)),
      h("td", { class: "number" }, node.connections === undefined || node.gone ? UNKNOWN : count(node.connections)),
      h("td", { class: "number" }, node.sequence ?? UNKNOWN),
      h("td", { class: "number" }, node.lag_seconds === undefined || node.gone ? UNKNOWN : duration(node.lag_seconds)),
      h("td", {}, node.version ?? UNKNOWN),
    )));
  }
}

/** Returns the state of a node, and why it is not ready or does not reach the others. */
function state({ ready, reason, gone, cut_off: cutOff, silent_since: silent }: ReturnType<typeof nodes>[number]): (Node | string)[] {
  const badge = (kind: string, text: string, why = "") => [h("span", { class: `state ${kind}` }, text), ` ${why}`];
  if (gone) return badge("bad", "gone", `not heard of since ${clock(gone)}`);
  if (silent) return badge("warn", "unknown", `not heard of since ${clock(silent)}, because this node is cut off`);
  return [...(ready ? badge("good", "ready") : badge("bad", "not ready", reason)), ...(cutOff ? badge("bad", CUT_OFF, cutOff) : [])];
}
