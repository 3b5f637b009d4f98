// The committed files in dist are built from the current sources, and are small.

import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "tsdown";
import { expect, it } from "vitest";
import configs from "../tsdown.config.ts";

const FILES = ["client.d.ts", "client.js", "inbox.d.ts", "inbox.js", "preferences.d.ts", "preferences.js"];
const MAX_BYTES = { "client.js": 7_000, "inbox.js": 9_000, "preferences.js": 3_000 }; // bytes, gzipped

const dist = new URL("../dist/", import.meta.url);
const committed = (name) => readFile(new URL(name, dist), "utf8");

it("dist is built from the current sources (if not, run npm run build)", async () => {
  const outDir = await mkdtemp(join(tmpdir(), "bellhop-client-"));
  try {
    for (const config of configs) await build({ ...config, config: false, outDir, logLevel: "silent" });
    expect((await readdir(outDir)).sort()).toEqual(FILES);
    expect((await readdir(dist)).sort()).toEqual(FILES);
    for (const name of FILES) expect(await readFile(join(outDir, name), "utf8"), name).toBe(await committed(name));
  } finally {
    await rm(outDir, { recursive: true });
  }
});

for (const [name, max] of Object.entries(MAX_BYTES)) {
  it(`${name} is small`, async () => {
    const bytes = gzipSync(await committed(name), { level: 9 }).length;
    console.info(`${name}: ${bytes} bytes gzipped, of at most ${max}`);
    expect(bytes).toBeLessThanOrEqual(max);
  });
}

it("the elements import the client, and no other module", async () => {
  for (const element of ["inbox.js", "preferences.js"]) {
    const imports = [...(await committed(element)).matchAll(/import\s*[^;]*?from\s*"([^"]+)"/g)].map(([, from]) => from);
    expect(imports, element).toEqual(["./client.js"]);
    expect((await committed(element)).match(/\bimport\b/g), element).toHaveLength(1);
  }
  expect(await committed("client.js")).not.toMatch(/\bimport\b/);
});

it("can be imported by its name, also on a server without a DOM", () => {
  const script = `const names = async (module) => Object.keys(await import(module));
    console.log(JSON.stringify([await names("@bellhop/client"), await names("@bellhop/client/inbox"), await names("@bellhop/client/preferences")]))`;
  const cwd = new URL("..", import.meta.url);
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd, encoding: "utf8" });
  expect(JSON.parse(output)).toEqual([["connect"], ["BellhopInbox"], ["BellhopPreferences"]]);
});
