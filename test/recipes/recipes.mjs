// Helpers that read the recipes unchanged and run them against a service and a site.

import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { SECRET } from "../browser/client.mjs";

const HERE = new URL(".", import.meta.url).pathname;
const CLIENT = new URL("../../internal/webui/client/", import.meta.url);

export const run = promisify(execFile);

/** The recipes, and the README of the repository. */
export const recipes = readFileSync(new URL("RECIPES.md", CLIENT), "utf8");
export const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

/** Returns the code blocks of a document with this info string, such as "jsx Bell.jsx". */
export function blocks(text, fence) {
  const found = [...text.matchAll(/^```(.*)\n([^]*?)^```$/gm)].filter(([, info]) => info === fence);
  if (!found.length) throw new Error(`there is no block "${fence}"`);
  return found.map(([, , code]) => code);
}

/** Returns the only code block of the recipes with this info string, with the address of the service. */
export function recipe(fence, service) {
  const [code, another] = blocks(recipes, fence);
  if (another) throw new Error(`there are several blocks "${fence}"`);
  return service ? code.replaceAll("https://bell.example.com", service.origin) : code;
}

/** Returns a token of Ada that the service accepts for this many seconds. It has expired already: the service accepts tokens for 30 s after their expiry. */
export function expiring(seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256" })}.${part({ sub: "ada", iat: now - 60, exp: now - 30 + seconds })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

/** Creates a directory for bundling, in which the client is an installed package. */
export function bundleDirectory(dir, name, files) {
  const directory = join(dir, name);
  mkdirSync(join(directory, "node_modules", "@bellhop"), { recursive: true });
  symlinkSync(CLIENT.pathname, join(directory, "node_modules", "@bellhop", "client"));
  for (const dependency of ["react", "react-dom", "scheduler", "vue", "@vue"]) {
    symlinkSync(join(HERE, "node_modules", dependency), join(directory, "node_modules", dependency));
  }
  for (const [file, content] of Object.entries(files)) writeFileSync(join(directory, file), content);
  return directory;
}

/** A site on another origin than the service: serves pages by path, and a token of Ada at /my/token. */
export class Site {
  pages = new Map();
  token = () => "";
  #server = createServer((request, answer) => {
    if (request.url === "/my/token") return answer.end(this.token());
    const page = this.pages.get(request.url);
    if (page === undefined) return answer.writeHead(404).end();
    const type = request.url.endsWith(".js") ? "text/javascript" : "text/html";
    answer.setHeader("Content-Type", `${type}; charset=utf-8`).end(page);
  });

  async open() {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    this.origin = `http://127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** A program whose output is collected as lines. */
export class Program {
  lines = [];
  constructor(child) {
    this.child = child;
    this.ended = once(child, "exit");
    let rest = "";
    const collect = (chunk) => {
      const parts = (rest + chunk).split(/\r?\n/);
      rest = parts.pop();
      this.lines.push(...parts);
    };
    child.stdout.setEncoding("utf8").on("data", collect);
    child.stderr?.setEncoding("utf8").on("data", collect);
  }

  async stop() {
    this.child.stdin?.end();
    this.child.kill();
    await this.ended;
  }
}
