import { defineConfig, type UserConfig } from "tsdown";

const common: UserConfig = {
  platform: "browser",
  target: "es2022",
  format: "esm",
  minify: true,
  dts: false,
  clean: false,
  fixedExtension: false,
  hash: false,
  deps: { alwaysBundle: ["uplot"], onlyBundle: ["uplot"] },
};

/** The style sheets, in the order in which they apply. The first is that of the charts. */
const STYLES = ["node_modules/uplot/dist/uPlot.min.css", "src/css/base.css", "src/css/layout.css", "src/css/charts.css", "src/css/views.css"];

/** The files that are copied as they are. */
const COPIES = { "index.html": "src/index.html", "icon.svg": "src/icon.svg", "LICENSE.uplot.txt": "node_modules/uplot/LICENSE" };

const minifyCSS = (code: string) =>
  code.replace(/\/\*.*?\*\//gs, "").replace(/\s+/g, " ").replace(/ ?([{};,>]) ?/g, "$1").replace(/: (?=[^{}]*})/g, ":").replace(/;}/g, "}").replace(/([ :,(])0\./g, "$1.").trim();

type Emitter = {
  fs: { readFile(path: string, options: { encoding: "utf8" }): Promise<string> };
  emitFile(file: { type: "asset"; fileName: string; source: string }): void;
};

/** Adds the style sheet, the page, its icon, and the licence of the charting library. */
const files = {
  name: "files",
  async generateBundle(this: Emitter) {
    const read = (path: string) => this.fs.readFile(new URL(path, import.meta.url).pathname, { encoding: "utf8" });
    const styles = await Promise.all(STYLES.map(read));
    this.emitFile({ type: "asset", fileName: "console.css", source: minifyCSS(styles.join("\n")) + "\n" });
    for (const [fileName, path] of Object.entries(COPIES)) this.emitFile({ type: "asset", fileName, source: await read(path) });
  },
};

// Builds the page's two scripts: theme.js runs before the page is painted. The output is the same on every machine.
export default defineConfig([
  { ...common, entry: { console: "src/main.ts" }, plugins: [files] },
  { ...common, entry: { theme: "src/theme.ts" } },
]);
