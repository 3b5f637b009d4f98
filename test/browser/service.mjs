// Starts the service as users start it, and a browser with the demo page.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ROOT = new URL("../..", import.meta.url).pathname;
const START_TIMEOUT = 30_000;

/** Creates a temporary directory; returns its path and a function that removes it. */
export function scratch() {
  const path = mkdtempSync(join(tmpdir(), "bellhop-browser-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Returns the path of the binary: BELLHOP_BIN, or one built in dir. */
export function binary(dir) {
  if (process.env.BELLHOP_BIN) return process.env.BELLHOP_BIN;
  const path = join(dir, "bellhop");
  execFileSync("go", ["build", "-o", path, "./cmd/bellhop"], { cwd: ROOT, stdio: "inherit" });
  return path;
}

/** Runs `bellhop demo` and returns when it has printed its addresses. */
export async function startService(bin, { listen = "127.0.0.1:0", dataDir, traffic = false } = {}) {
  const args = ["demo", `--traffic=${traffic}`, "--listen", listen, ...(dataDir ? ["--data-dir", dataDir] : [])];
  const process = spawn(bin, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(process, "exit");
  let stderr = "";
  process.stderr.on("data", (chunk) => (stderr += chunk));
  const [origin, console] = await new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => reject(new Error(`no address within ${START_TIMEOUT} ms:\n${output}${stderr}`)), START_TIMEOUT);
    process.stdout.on("data", (chunk) => {
      output += chunk;
      const found = /(http:\/\/[^\s/'"]+)(?=[\s/'"])[^]*?^console: (http:\/\/[^\s/]+)\//m.exec(output);
      if (!found) return;
      clearTimeout(timer);
      resolve(found.slice(1));
    });
    ended.then(() => reject(new Error(`bellhop demo ended:\n${output}${stderr}`)), reject);
  });
  return {
    origin,
    console, // the origin of the operators' console
    stop: async (signal = "SIGTERM") => {
      process.kill(signal);
      const [code] = await ended;
      return code;
    },
  };
}

/** Starts Chromium with a new profile and without its own network requests. */
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
 * Opens the page and records errors: messages on the console, violations of its
 * policy, and requests to other hosts.
 */
export async function openPage(browser, origin, { path = "/", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const pageErrors = [];
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
    });
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") pageErrors.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => pageErrors.push(`error: ${error.message}`));
  const host = new URL(origin).host;
  const check = (url) => {
    if (new URL(url).host !== host) pageErrors.push(`another host: ${url}`);
  };
  context.on("request", (request) => check(request.url()));
  page.on("websocket", (socket) => check(socket.url()));
  await page.goto(origin + path);
  return { page, pageErrors, close: () => context.close() };
}
