// Starts what the tests look at: the service as people start it, and a browser
// with the demo page open in it.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ROOT = new URL("../..", import.meta.url).pathname;
const STARTS_WITHIN = 30_000;

/** Returns a directory of its own, and how to remove it. */
export function scratch() {
  const path = mkdtempSync(join(tmpdir(), "bellhop-browser-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Returns the path of the binary: BELLHOP_BIN, else one built into dir. */
export function binary(dir) {
  if (process.env.BELLHOP_BIN) return process.env.BELLHOP_BIN;
  const path = join(dir, "bellhop");
  execFileSync("go", ["build", "-o", path, "./cmd/bellhop"], { cwd: ROOT, stdio: "inherit" });
  return path;
}

/** Runs `bellhop demo` and returns once it has said where it listens. */
export async function startService(bin, { listen = "127.0.0.1:0", dataDir } = {}) {
  const args = ["demo", "--listen", listen, ...(dataDir ? ["--data-dir", dataDir] : [])];
  const process = spawn(bin, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(process, "exit");
  let told = "";
  process.stderr.on("data", (chunk) => (told += chunk));
  const origin = await new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => reject(new Error(`no address within ${STARTS_WITHIN} ms:\n${output}${told}`)), STARTS_WITHIN);
    process.stdout.on("data", (chunk) => {
      output += chunk;
      const found = /http:\/\/[^\s/'"]+(?=[\s/'"])/.exec(output);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[0]);
    });
    ended.then(() => reject(new Error(`bellhop demo ended:\n${output}${told}`)), reject);
  });
  return {
    origin,
    stop: async (signal = "SIGTERM") => {
      process.kill(signal);
      const [code] = await ended;
      return code;
    },
  };
}

/** Starts Chromium with a fresh profile and without a word to anyone outside. */
export function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/**
 * Opens the page and notes whatever it does that it should not: an error on
 * the console, a breach of its policy, a request to another host.
 */
export async function openPage(browser, origin, { path = "/", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const wrongs = [];
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
    });
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") wrongs.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => wrongs.push(`error: ${error.message}`));
  const host = new URL(origin).host;
  const check = (url) => {
    if (new URL(url).host !== host) wrongs.push(`another host: ${url}`);
  };
  context.on("request", (request) => check(request.url()));
  page.on("websocket", (socket) => check(socket.url()));
  await page.goto(origin + path);
  return { page, wrongs, close: () => context.close() };
}
