// Reads recipes as they stand, and gives them a service and a site.

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

/** The code blocks of a README whose fence says so, such as "jsx Bell.jsx". */
export function blocks(text, fence) {
  const found = [...text.matchAll(/^```(.*)\n([^]*?)^```$/gm)].filter(([, said]) => said === fence);
  if (!found.length) throw new Error(`there is no block "${fence}"`);
  return found.map(([, , code]) => code);
}

/** The one code block of the recipes whose fence says so, for a service. */
export function recipe(fence, service) {
  const [code, another] = blocks(recipes, fence);
  if (another) throw new Error(`there are several blocks "${fence}"`);
  return service ? code.replaceAll("https://bell.example.com", service.origin) : code;
}

/** A token of Ada that is good for so many seconds more, of the 30 by which all outlive their end. */
export function expiring(seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const said = `${part({ alg: "HS256" })}.${part({ sub: "ada", iat: now - 60, exp: now - 30 + seconds })}`;
  return `${said}.${createHmac("sha256", SECRET).update(said).digest("base64url")}`;
}

/** A place to bundle in, where the client is a package like any other. */
export function workshop(dir, name, files) {
  const place = join(dir, name);
  mkdirSync(join(place, "node_modules", "@bellhop"), { recursive: true });
  symlinkSync(CLIENT.pathname, join(place, "node_modules", "@bellhop", "client"));
  for (const dependency of ["react", "react-dom", "scheduler", "vue", "@vue"]) {
    symlinkSync(join(HERE, "node_modules", dependency), join(place, "node_modules", dependency));
  }
  for (const [file, content] of Object.entries(files)) writeFileSync(join(place, file), content);
  return place;
}

/** A site of somebody else's: pages by path, and /my/token, which signs one for Ada. */
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

/** A program whose lines are looked at as they come. */
export class Program {
  lines = [];
  constructor(child) {
    this.child = child;
    this.ended = once(child, "exit");
    let rest = "";
    const hear = (chunk) => {
      const parts = (rest + chunk).split(/\r?\n/);
      rest = parts.pop();
      this.lines.push(...parts);
    };
    child.stdout.setEncoding("utf8").on("data", hear);
    child.stderr?.setEncoding("utf8").on("data", hear);
  }

  async stop() {
    this.child.stdin?.end();
    this.child.kill();
    await this.ended;
  }
}
