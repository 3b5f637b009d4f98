// The committed types in dist, as in a project that has installed the package.

import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const { ModuleKind: Module, ModuleResolutionKind: Resolution, JsxEmit } = ts;

const resolutions = {
  bundler: { module: Module.ESNext, moduleResolution: Resolution.Bundler },
  node16: { module: Module.Node16, moduleResolution: Resolution.Node16 },
  nodenext: { module: Module.NodeNext, moduleResolution: Resolution.NodeNext },
  node10: { module: Module.ESNext, moduleResolution: Resolution.Node10, ignoreDeprecations: "6.0" },
};

// The frameworks by their jsxImportSource, with the packages to install.
const frameworks = {
  react: { file: "jsx.tsx", install: ["@types/react", "csstype"] },
  preact: { file: "jsx.tsx", install: ["preact"] },
  "solid-js": { file: "jsx.tsx", install: ["solid-js", "csstype", "seroval", "seroval-plugins"] },
  vue: { file: "vue.tsx", install: ["vue", "@vue", "csstype"] },
  svelte: { file: "svelte.ts", install: ["svelte"] },
};

let dir;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bellhop-types-"));
});
afterAll(() => rm(dir, { recursive: true }));

/** Creates a project with a page, and installs the client and these other packages in it. */
async function install(name, file, others = []) {
  const page = join(dir, name);
  const client = join(page, "node_modules/@bellhop/client");
  await mkdir(client, { recursive: true });
  for (const part of ["dist", "package.json"]) await cp(join(root, part), join(client, part), { recursive: true });
  for (const other of others) {
    await mkdir(join(page, "node_modules", other, ".."), { recursive: true });
    await symlink(join(root, "node_modules", other), join(page, "node_modules", other));
  }
  await writeFile(join(page, "package.json"), '{"type":"module"}');
  await cp(join(root, "test/types", file), join(page, file));
  return join(page, file);
}

/** Returns the errors of the compiler. */
function compileErrors(file, options) {
  const program = ts.createProgram([file], { noEmit: true, strict: true, target: ts.ScriptTarget.ES2022, types: [], ...options });
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file && file.getLineAndCharacterOfPosition(start).line + 1;
    return `${file?.fileName.slice(dir.length)}:${line} ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
}

describe("a page without a framework", { timeout: 300_000 }, () => {
  for (const [name, options] of Object.entries(resolutions)) {
    it(`has the types by moduleResolution ${name}`, async () => {
      const skipLibCheck = name !== "bundler"; // the types must compile once without skipLibCheck and without frameworks
      expect(compileErrors(await install(name, "page.ts"), { ...options, skipLibCheck })).toEqual([]);
    });
  }
});

describe("a page with a framework", { timeout: 300_000 }, () => {
  for (const [name, { file, install: others }] of Object.entries(frameworks)) {
    for (const [resolution, options] of [Object.entries(resolutions)[0], Object.entries(resolutions)[2]]) {
      it(`has the element's types in ${name}, by moduleResolution ${resolution}`, async () => {
        const jsx = name === "solid-js" ? JsxEmit.Preserve : JsxEmit.ReactJSX;
        const page = await install(`${name}-${resolution}`, file, others);
        expect(compileErrors(page, { ...options, jsx, jsxImportSource: name, skipLibCheck: true })).toEqual([]);
      });
    }
  }
});
