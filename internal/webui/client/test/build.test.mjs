// What is committed in dist is what the sources make, and small.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "tsdown";
import { expect, it } from "vitest";
import config from "../tsdown.config.ts";

const MOST = 5_000; // bytes, gzipped

const committed = (name) => readFile(new URL(`../dist/${name}`, import.meta.url), "utf8");

it("dist is as fresh from the sources: run npm run build", async () => {
  const outDir = await mkdtemp(join(tmpdir(), "bellhop-client-"));
  try {
    await build({ ...config, outDir, logLevel: "silent" });
    for (const name of ["client.js", "client.d.ts"]) {
      expect(await readFile(join(outDir, name), "utf8"), name).toBe(await committed(name));
    }
  } finally {
    await rm(outDir, { recursive: true });
  }
});

it("client.js is small", async () => {
  const bytes = gzipSync(await committed("client.js"), { level: 9 }).length;
  console.info(`client.js: ${bytes} bytes gzipped, of ${MOST}`);
  expect(bytes).toBeLessThanOrEqual(MOST);
});
