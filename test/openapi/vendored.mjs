// Holds the files of swagger-ui that the service ships, below
// internal/webui/docs/vendor, to those of the npm package that the lock names.
// With --write, copies them there. Those with .gz are compressed.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";

const FILES = ["swagger-ui-bundle.js.gz", "swagger-ui.css.gz", "swagger-ui-bundle.js.LICENSE.txt", "LICENSE", "NOTICE"];
const from = new URL("node_modules/swagger-ui-dist/", import.meta.url);
const to = new URL("../../internal/webui/docs/vendor/", import.meta.url);

let wrong = 0;
const complain = (what) => {
  console.error(`internal/webui/docs/vendor/${what}`);
  wrong++;
};

for (const file of FILES) {
  const compressed = file.endsWith(".gz");
  const theirs = readFileSync(new URL(file.replace(/\.gz$/, ""), from));
  const target = new URL(file, to);
  if (process.argv.includes("--write")) writeFileSync(target, compressed ? gzipSync(theirs, { level: 9 }) : theirs);
  try {
    const ours = readFileSync(target);
    if (!theirs.equals(compressed ? gunzipSync(ours) : ours)) complain(`${file} is not that of the npm package`);
  } catch (error) {
    complain(`${file}: ${error.message}`);
  }
}
for (const file of readdirSync(to)) if (!FILES.includes(file)) complain(`${file} comes from nowhere`);
if (wrong) {
  console.error("node test/openapi/vendored.mjs --write mends it");
  process.exit(1);
}
