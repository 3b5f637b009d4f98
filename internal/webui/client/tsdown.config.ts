import { defineConfig } from "tsdown";

// One module and its types, the same bytes on every machine.
export default defineConfig({
  entry: { client: "src/index.ts" },
  platform: "browser",
  target: "es2022",
  format: "esm",
  minify: true,
  dts: true,
  fixedExtension: false,
  hash: false,
});
