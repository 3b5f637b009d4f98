// Checks that the files of swagger-ui in internal/webui/docs/vendor are equal to those of
// the npm package in package-lock.json. With --write, it copies them there. Files with .gz
// are compressed.

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
    if (!theirs.equals(compressed ? gunzipSync(ours) : ours)) complain(`${file} differs from the npm package`);
  } catch (error) {
    complain(`${file}: ${error.message}`);
  }
}
for (const file of readdirSync(to)) if (!FILES.includes(file)) complain(`${file} is not a file of the npm package`);
if (wrong) {
  console.error("to copy the files again: node test/openapi/vendored.mjs --write");
  process.exit(1);
}
