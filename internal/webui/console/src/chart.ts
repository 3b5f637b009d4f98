// A chart: a title, a legend with the current values as text, and a canvas.

import uPlot from "uplot";
import { h, setText } from "./dom.js";
import { clock, count, UNKNOWN } from "./format.js";
import { LIMIT, type Panel, type Series } from "./panels.js";
import { columns, stack, WINDOW, type Columns } from "./ring.js";
import type { Sample } from "./types.js";

/** The charts have one crosshair. */
const SYNC = "console";
const HEIGHT = 128;
const MINUTE = 60;

export class Chart {
  readonly element: HTMLElement;
  #legend: HTMLElement;
  #canvas = h("div", { class: "plot", role: "img" });
  #plot?: uPlot;
  #series: Series[] = [];
  #values: Element[] = [];
  #swatches: Element[] = [];
  #raw: Columns = [[]];
  #colors: string[] = [];
  #inks = { grid: "", text: "" };
  #width = 0;

  /** onMove is called after the crosshair has moved. */
  constructor(
    readonly panel: Panel,
    readonly onMove: (time: string) => void,
  ) {
    const id = `chart-${panel.title.toLowerCase().replaceAll(" ", "-")}`;
    this.#legend = h("ul", { class: panel.unit === count ? "legend" : "legend units" });
    this.#canvas.setAttribute("aria-label", `${panel.title}, the last ten minutes. ${panel.about}`);
    this.element = h("section", { class: "card panel", "aria-labelledby": id }, h("h3", { id, title: panel.about }, panel.title), this.#legend, this.#canvas);
  }

  /** Shows the samples. The canvas of a chart that nobody sees keeps the last picture, which saves most of the work. */
  draw(samples: readonly Sample[], seen = true): void {
    const { panel } = this;
    const series = panel.series(samples);
    this.#raw = columns(samples, series.length, panel.read, panel.bridge);
    this.element.hidden = !!panel.optional && !this.#raw.slice(1).some((column) => column.some((value) => value != null));
    const first = !this.#plot || series.length !== this.#series.length;
    if (first) this.#build(series);
    if (seen || first) this.#paint(this.#plot!);
    this.#describe();
  }

  /** Reads the colours again, after the theme has changed. */
  recolor(): void {
    if (!this.#plot) return;
    this.#readColors();
    this.#plot.redraw();
  }

  /** Moves the crosshair by a number of samples; without a number, to nowhere. */
  move(by?: number): void {
    const plot = this.#plot;
    if (!plot) return;
    if (by === undefined) plot.setCursor({ left: -10, top: -10 });
    else {
      const end = this.#raw[0].length - 1;
      const at = Math.min(end, Math.max(0, (plot.cursor.idx ?? end) + by));
      plot.setCursor({ left: plot.valToPos(this.#raw[0][at] ?? 0, "x"), top: 1 });
    }
  }

  /** The time at the crosshair; empty if there is none. */
  get time(): string {
    const at = this.#plot?.cursor.idx;
    return at == null || this.#raw[0][at] === undefined ? "" : clock(this.#raw[0][at] * 1000);
  }

  /** The legend's text, for the crosshair's place or for now. */
  get text(): string {
    return this.#series.map(({ name }, i) => `${name} ${this.#values[i]!.textContent}`).join(", ");
  }

  // The columns as they are drawn: of a stack, the sums come first, so that each is drawn over the larger ones.
  #shown(): uPlot.AlignedData {
    if (this.panel.log) return positive(this.#raw) as uPlot.AlignedData;
    if (!this.panel.stacked) return this.#raw as uPlot.AlignedData;
    const [times, ...sums] = stack(this.#raw.slice(0, this.#area + 1) as Columns);
    return [times, ...sums.reverse(), ...this.#raw.slice(this.#area + 1)] as uPlot.AlignedData;
  }

  /** The number of series that are on top of each other, if they are. */
  get #area(): number {
    return this.#series.filter(({ name }) => name !== LIMIT).length;
  }

  #paint(plot: uPlot): void {
    const width = this.#canvas.clientWidth;
    if (width !== this.#width && width > 0) plot.setSize({ width: (this.#width = width), height: HEIGHT });
    plot.setData(this.#shown());
  }

  #build(series: Series[]): void {
    this.#plot?.destroy();
    this.#series = series;
    this.#swatches = series.map(({ color }) => h("i", { class: `swatch color-${color}` }));
    this.#values = series.map(() => h("b", {}, UNKNOWN));
    this.#legend.replaceChildren(...series.map(({ name }, i) => h("li", {}, this.#swatches[i]!, h("span", {}, name), this.#values[i]!)));
    this.#readColors();
    this.#width = this.#canvas.clientWidth || 320;
    this.#plot = new uPlot(this.#options(), [[]], this.#canvas);
  }

  #readColors(): void {
    const style = getComputedStyle(this.#canvas);
    this.#inks = { grid: style.borderTopColor, text: style.color };
    this.#colors = this.#swatches.map((swatch) => getComputedStyle(swatch).backgroundColor);
  }

  #options(): uPlot.Options {
    const { unit, least, binary, log, stacked, bars } = this.panel;
    const axis = { stroke: () => this.#inks.text, grid: { stroke: () => this.#inks.grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    return {
      width: this.#width,
      height: HEIGHT,
      legend: { show: false },
      padding: [6, 6, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: !stacked, size: 6 }, sync: { key: SYNC, setSeries: false } },
      scales: {
        x: { time: true, range: (u) => ends(u.data[0]) },
        y: log ? { distr: 3, log: 10, range: (_, min, max) => decades(min, Math.max(least, max || 0)) } : { range: (_, __, max) => [0, Math.max(least, (max || 0) * 1.08)] },
      },
      axes: [
        { ...axis, size: 19, gap: 5, splits: (u) => minutes(u.scales.x!), values: (_, splits) => splits.map((s) => clock(s * 1000).slice(0, 5)) },
        {
          ...axis, gap: 4, space: 26, size: 54, // the same in all charts, so that their times are below each other
          values: (_, splits) => splits.map(unit), ...(binary ? { incrs: POWERS } : {}), ...(log ? { splits: (_, __, min, max) => powersOfTen(min, max), filter: (_, splits) => splits } : {}),
        },
      ],
      series: [{}, ...this.#lines()],
      ...(stacked && !bars ? { bands: Array.from({ length: this.#area - 1 }, (_, i): uPlot.Band => ({ series: [i + 1, i + 2] })) } : {}),
      hooks: { setCursor: [() => this.#moved()] },
    };
  }

  #lines(): uPlot.Series[] {
    const { stacked, bars } = this.panel;
    const area = this.#area;
    return this.#series.map((_, i) => {
      const of = stacked && i < area ? area - 1 - i : i; // the order of #shown
      const color = () => this.#colors[of]!;
      const line: uPlot.Series = { stroke: color, width: 1.25, points: { show: false }, spanGaps: false };
      if (!stacked || i >= area) return line;
      line.fill = () => (bars ? color() : translucent(color()));
      if (bars) line.paths = uPlot.paths.bars!({ size: [1, 8, 2] });
      return line;
    });
  }

  #moved(): void {
    this.#describe();
    this.onMove(this.time);
  }

  /** Shows the values at the crosshair, or else the newest ones. */
  #describe(): void {
    const [times, ...values] = this.#raw;
    const at = this.#plot?.cursor.idx ?? times.length - 1;
    this.#values.forEach((element, i) => {
      const value = values[i]?.[at] ?? near(values[i], times, at, this.panel.bridge ?? 0);
      setText(element, value === undefined ? UNKNOWN : this.panel.unit(value));
    });
  }
}

/** Returns the last value before a place, at most so many seconds before it. */
function near(values: (number | null | undefined)[] | undefined, times: number[], at: number, seconds: number): number | undefined {
  for (let i = at; i >= 0 && times[i]! >= times[at]! - seconds; i--) {
    const value = values?.[i];
    if (value != null) return value;
  }
  return undefined;
}

/** Returns the ends of the axis of time: ten minutes, or fewer as long as the service is young. */
function ends(times: ArrayLike<number>): [number, number] {
  const end = times[times.length - 1] ?? Date.now() / 1000;
  return [Math.max(end - WINDOW, Math.min(times[0] ?? end, end - 2 * MINUTE)), end];
}

/** Whole minutes of an axis, of which a longer one has every second. */
function minutes({ min = 0, max = 0 }: uPlot.Scale): number[] {
  const step = max - min > 5 * MINUTE ? 2 * MINUTE : MINUTE;
  const space = (max - min) / 20; // at both ends, for the half of a label
  const all: number[] = [];
  for (let at = Math.ceil((min + space) / step) * step; at <= max - space; at += step) all.push(at);
  return all;
}

/** The smallest value that a logarithmic axis shows. */
const SMALLEST = 0.01;

/** Returns the powers of ten around values. */
const decades = (min: number, max: number): [number, number] => {
  const low = 10 ** Math.floor(Math.log10(Math.max(SMALLEST, min || 0.1)));
  return [low, Math.max(low * 100, 10 ** Math.ceil(Math.log10(max)))];
};

function powersOfTen(min: number, max: number): number[] {
  const all: number[] = [];
  for (let power = Math.round(Math.log10(min)); power <= Math.log10(max) + 0.01; power++) all.push(10 ** power);
  return all;
}

/** Returns columns whose values a logarithmic axis can show. */
const positive = ([times, ...values]: Columns): Columns => [times, ...values.map((column) => column.map((value) => (value == null ? value : Math.max(SMALLEST, value))))];

/** Distances on the axis of sizes: powers of two. */
const POWERS = Array.from({ length: 50 }, (_, i) => 2 ** i);

/** Returns a colour of the form rgb(…) for an area, through which the grid is visible. */
const translucent = (color: string) => color.replace("rgb(", "rgba(").replace(")", ", 0.2)");
