import { defineConfig, type UserConfig } from "tsdown";

const common: UserConfig = {
  platform: "browser",
  target: "es2022",
  format: "esm",
  minify: true,
  dts: true,
  clean: false,
  fixedExtension: false,
  hash: false,
};

/** Leaves out of the style sheet what only people read. */
const squeeze = {
  name: "squeeze",
  transform: {
    filter: { id: /style\.ts$/ },
    handler: (code: string) => code.replace(/\s+/g, " ").replace(/^.*? (?=export)/, "").replace(/ ?([{};,>]) ?/g, "$1").replace(/: (?=[^{}]*})/g, ":").replace(/;}/g, "}").replace(/\b0\./g, "."),
  },
};

/** The element does not contain the client: it imports it from beside itself. */
const beside = {
  name: "beside",
  resolveId: {
    order: "pre" as const,
    filter: { id: /^\.\.\/index\.js$/ },
    handler: () => ({ id: "./client.js", external: true }),
  },
};

// Two modules and their types, the same bytes on every machine.
export default defineConfig([
  { ...common, entry: { client: "src/index.ts" } },
  { ...common, entry: { inbox: "src/inbox/index.ts" }, plugins: [squeeze, beside] },
]);
