// Tests <bellhop-inbox> in frameworks. They set its properties and attributes at every
// render, mostly to new functions and equal values. The connection, the list and the
// focus must stay.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import { compile } from "svelte/compiler";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { ENGINES } from "./engines.mjs";
import { binary, scratch } from "./service.mjs";
import { elementIn, Site } from "./site.mjs";

const RENDERS = 20;
const CLIENT = new URL("../../internal/webui/client/dist/", import.meta.url).pathname;
const MODULES = new URL("node_modules", import.meta.url).pathname;

/** The apps by framework. Each page defines rerender(), which renders everything again, and unmount(). */
const APPS = {
  "React 19": {
    "main.jsx": `
      import { StrictMode, useState } from "react";
      import { createRoot } from "react-dom/client";
      import { flushSync } from "react-dom";
      import "@bellhop/client/inbox";
      function App() {
        const [n, render] = useState(0);
        window.rerender = () => flushSync(() => render(n + 1));
        return <bellhop-inbox inline url={ORIGIN} token={async () => askToken()} data-n={n} />;
      }
      const root = createRoot(document.querySelector("#root"));
      root.render(<StrictMode><App /></StrictMode>); // mounts everything twice
      window.unmount = () => root.unmount();`,
  },
  Preact: {
    "main.jsx": `
      /** @jsxRuntime automatic @jsxImportSource preact */
      import { render } from "preact";
      import "@bellhop/client/inbox";
      let n = -1;
      const root = document.querySelector("#root");
      const App = () => <bellhop-inbox inline url={ORIGIN} token={async () => askToken()} data-n={n} />;
      window.rerender = () => (n++, render(<App />, root));
      window.unmount = () => render(null, root);
      rerender();`,
  },
  "Vue 3": {
    "main.jsx": `
      import { createApp, h, nextTick, ref } from "vue";
      import "@bellhop/client/inbox";
      const n = ref(0);
      const app = createApp({ render: () => h("bellhop-inbox", { inline: "", url: ORIGIN, token: async () => askToken(), "data-n": n.value }) });
      app.config.compilerOptions.isCustomElement = (tag) => tag.startsWith("bellhop-");
      app.mount("#root");
      window.rerender = () => (n.value++, nextTick());
      window.unmount = () => app.unmount();`,
  },
  "Svelte 5": {
    "App.svelte": `
      <script>
        import "@bellhop/client/inbox";
        let n = $state(0);
        const token = $derived((n, async () => askToken()));
        window.rerender = () => n++;
      </script>
      <bellhop-inbox inline url={(n, ORIGIN)} {token} data-n={n}></bellhop-inbox>`,
    "main.jsx": `
      import { flushSync, mount, unmount } from "svelte";
      import App from "./App.svelte";
      const app = mount(App, { target: document.querySelector("#root") });
      const change = window.rerender;
      window.rerender = () => flushSync(change);
      window.unmount = () => unmount(app);`,
  },
};

/** Compiles Svelte components. */
const svelte = {
  name: "svelte",
  setup: (build) =>
    build.onLoad({ filter: /\.svelte$/ }, async ({ path }) => {
      const { readFile } = await import("node:fs/promises");
      const { js } = compile(await readFile(path, "utf8"), { filename: path, generate: "client" });
      return { contents: js.code, loader: "js" };
    }),
};

describe("<bellhop-inbox> in frameworks", { timeout: 300_000 }, () => {
  let dir, bin, engine, site, service, device;
  before(async () => {
    dir = scratch();
    bin = binary(dir.path);
    site = await Site.open();
    service = new Service(bin, join(dir.path, "data"), site.home);
    await service.start();
    site.sign = (user) => service.token(user, "1h");
    engine = await ENGINES.Chromium();
    device = await engine.device();
  });
  after(async () => {
    await engine?.close();
    await service?.stop();
    site?.close();
    dir?.remove();
  });

  /** Bundles an app and serves it on the site. */
  async function bundle(name, files) {
    const directory = join(dir.path, name.replace(" ", "-"));
    mkdirSync(directory);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
    const { outputFiles } = await build({
      entryPoints: [join(directory, "main.jsx")], bundle: true, format: "esm", write: false, jsx: "automatic", plugins: [svelte],
      nodePaths: [MODULES], conditions: ["browser"], logLevel: "error",
      alias: { "@bellhop/client/inbox": join(CLIENT, "inbox.js") },
      define: {
        ORIGIN: JSON.stringify(service.origin), "process.env.NODE_ENV": '"development"', __VUE_OPTIONS_API__: "true",
        __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
      },
    });
    const path = `/${name.replace(" ", "-")}`;
    site.pages.set(`${path}.js`, outputFiles[0].text);
    site.put(path, `${COUNTS}<div id="root"></div><script type="module" src="${path}.js"></script>`);
    return site.home + path;
  }

  for (const [name, files] of Object.entries(APPS)) {
    it(name, async (t) => {
      const tab = await device.open(await bundle(name, files));
      t.after(tab.close);
      const page = elementIn(tab);
      await eventually(service.connections, 1);
      await service.publish(["one", "two"].map((title) => `${title}, ${name}`));
      await eventually(async () => (await page.titles()).slice(0, 2), [`two, ${name}*`, `one, ${name}*`]);
      await eventually(service.connections, 1);
      const before = { ...(await tab.run(() => counts)), tokenRequests: site.tokenRequests };
      await tab.run(() => document.querySelector("bellhop-inbox").shadowRoot.querySelectorAll("[part=link]")[1].focus());

      for (let n = 0; n < RENDERS; n++) await tab.run(() => rerender());
      await tab.run(() => {
        const inbox = document.querySelector("bellhop-inbox");
        inbox.token = inbox.token;
        inbox.setAttribute("url", inbox.getAttribute("url"));
        inbox.setAttribute("inline", "");
        inbox.labels = { ...inbox.labels };
      });
      await service.publish(`three, ${name}`);
      await eventually(async () => (await page.titles())[0], `three, ${name}*`);
      assert.equal(await tab.run(() => document.querySelector("bellhop-inbox").dataset.n), String(RENDERS), "every render must take effect");
      assert.deepEqual({ ...(await tab.run(() => counts)), tokenRequests: site.tokenRequests }, before, "renders must not open connections, load lists or request tokens");
      assert.ok(before.sockets <= 2, "at most one connection for each mount");
      const focused = () => document.querySelector("bellhop-inbox").shadowRoot.activeElement?.querySelector("[part=item-title]")?.textContent;
      assert.equal(await tab.run(focused), `one, ${name}`);
      assert.deepEqual(await page.errors(), []);
      await tab.run(() => unmount());
      await eventually(service.connections, 0);
    });
  }
});

/** Code that counts the connections and lists of a page. */
const COUNTS = `<script>
  window.counts = { sockets: 0, lists: 0 };
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      counts.sockets++;
    }
  };
  const real = fetch;
  window.fetch = (url, ...rest) => {
    if (/\\/inbox\\?/.test(url)) counts.lists++;
    return real(url, ...rest);
  };
  const askToken = async () => (await fetch("/my/token?user=ada")).text();
</script>`;
