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

/** Adds to the element's types what they are in frameworks, which the bundler of types does not take. */
const frameworks = {
  name: "frameworks",
  async generateBundle(this: { fs: { readFile(path: string, options: { encoding: "utf8" }): Promise<string> } }, _: unknown, bundle: Record<string, { code?: string }>) {
    const types = bundle["inbox.d.ts"];
    if (!types) return;
    const text = await this.fs.readFile(new URL("src/inbox/jsx.d.ts", import.meta.url).pathname, { encoding: "utf8" });
    types.code += text.slice(text.indexOf("\n\n") + 1);
  },
};

// Two modules and their types, the same bytes on every machine.
export default defineConfig([
  { ...common, entry: { client: "src/index.ts" } },
  { ...common, entry: { inbox: "src/inbox/index.ts" }, plugins: [squeeze, beside, frameworks] },
]);
