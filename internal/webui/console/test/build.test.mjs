// The committed files in dist are built from the current sources, and are small.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "tsdown";
import { expect, it } from "vitest";
import configs from "../tsdown.config.ts";

const FILES = ["LICENSE.uplot.txt", "console.css", "console.js", "icon.svg", "index.html", "theme.js"];
const MAX_BYTES = 48_000; // of all files, gzipped; half of it is the charting library
const MAX_LINES = 400;

const dist = new URL("../dist/", import.meta.url);
const committed = (name) => readFile(new URL(name, dist), "utf8");

it("dist is built from the current sources (if not, run npm run build)", async () => {
  const outDir = await mkdtemp(join(tmpdir(), "bellhop-console-"));
  try {
    for (const config of configs) await build({ ...config, config: false, outDir, logLevel: "silent" });
    expect((await readdir(outDir)).sort()).toEqual(FILES);
    expect((await readdir(dist)).sort()).toEqual(FILES);
    for (const name of FILES) expect(await readFile(join(outDir, name), "utf8"), name).toBe(await committed(name));
  } finally {
    await rm(outDir, { recursive: true });
  }
});

it("the page is small", async () => {
  let bytes = 0;
  for (const name of FILES) bytes += gzipSync(await committed(name), { level: 9 }).length;
  console.info(`the page: ${bytes} bytes gzipped, of at most ${MAX_BYTES}`);
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
});

it("each source is short", async () => {
  for (const dir of ["../src/", "../src/css/"]) {
    const base = new URL(dir, import.meta.url);
    for (const entry of await readdir(base, { withFileTypes: true })) {
      if (entry.isFile()) expect((await readFile(new URL(entry.name, base), "utf8")).split("\n").length, entry.name).toBeLessThan(MAX_LINES);
    }
  }
});

it("the page never sets HTML", async () => {
  const base = new URL("../src/", import.meta.url);
  for (const name of await readdir(base)) {
    if (name.endsWith(".ts")) expect(await readFile(new URL(name, base), "utf8"), name).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc/);
  }
});
