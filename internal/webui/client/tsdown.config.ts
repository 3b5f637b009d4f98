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

/** Minifies the style sheet. */
const minifyCSS = {
  name: "minify-css",
  transform: {
    filter: { id: /style\.ts$/ },
    handler: (code: string) => code.replace(/\s+/g, " ").replace(/^.*? (?=export)/, "").replace(/ ?([{};,>]) ?/g, "$1").replace(/: (?=[^{}]*})/g, ":").replace(/;}/g, "}").replace(/\b0\./g, "."),
  },
};

/** Makes the element import the client from ./client.js instead of containing a copy. */
const externalClient = {
  name: "external-client",
  resolveId: {
    order: "pre" as const,
    filter: { id: /^\.\.\/index\.js$/ },
    handler: () => ({ id: "./client.js", external: true }),
  },
};

/** Appends the types for frameworks to the types of an element, since the bundler of types drops them. */
const frameworks = {
  name: "frameworks",
  async generateBundle(this: { fs: { readFile(path: string, options: { encoding: "utf8" }): Promise<string> } }, _: unknown, bundle: Record<string, { code?: string }>) {
    for (const element of ["inbox", "preferences"]) {
      const types = bundle[`${element}.d.ts`];
      if (!types) continue;
      const text = await this.fs.readFile(new URL(`src/${element}/jsx.d.ts`, import.meta.url).pathname, { encoding: "utf8" });
      types.code += text.slice(text.indexOf("\n\n") + 1);
    }
  },
};

// Builds three modules and their types. The output is the same on every machine.
export default defineConfig([
  { ...common, entry: { client: "src/index.ts" } },
  { ...common, entry: { inbox: "src/inbox/index.ts" }, plugins: [minifyCSS, externalClient, frameworks] },
  { ...common, entry: { preferences: "src/preferences/index.ts" }, plugins: [minifyCSS, externalClient, frameworks] },
]);
