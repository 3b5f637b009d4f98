// One interface for the three browser engines: an engine has devices, each with its
// own profile, and a device has tabs.

import puppeteer from "puppeteer-core";
import { startBrowser } from "./service.mjs";
import { Session, startScreen } from "./webdriver.mjs";

/** The functions that start each engine. */
export const ENGINES = { Chromium: startChromium, Firefox: startFirefox, WebKit: startWebKit };

/** Returns the expression that calls fn with these arguments in a page. */
const call = (fn, args) => `(${fn})(...${JSON.stringify(args)})`;

/**
 * Returns a tab of a browser. run calls a function in its page and returns the resolved
 * result. show makes it the visible tab: in Firefox, the others are hidden. page is that
 * of the library, if there is one.
 */
const tab = (evaluate, go, close, page) => ({ run: (fn, ...args) => evaluate(call(fn, args)), show: () => page?.bringToFront(), go, close, page });

async function startChromium() {
  const browser = await startBrowser();
  return {
    async device() {
      const context = await browser.newContext();
      const open = async (url) => {
        const page = await context.newPage();
        await page.goto(url);
        return tab((text) => page.evaluate(text), (to) => page.goto(to), () => page.close(), page);
      };
      return { open, close: () => context.close() };
    },
    close: () => browser.close(),
  };
}

async function startFirefox() {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    extraPrefsFirefox: { "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false },
  });
  return {
    async device() {
      const context = await browser.createBrowserContext();
      const open = async (url) => {
        const page = await context.newPage();
        await page.goto(url);
        return tab((text) => page.evaluate(text), (to) => page.goto(to), () => page.close(), page);
      };
      return { open, close: () => context.close() };
    },
    close: () => browser.close(),
  };
}

async function startWebKit() {
  const screen = await startScreen();
  return {
    async device() {
      const session = await Session.start(screen);
      const open = async (url) => {
        const handle = await session.open(url);
        return tab((text) => session.evaluate(handle, text), (to) => session.go(handle, to), () => session.closeWindow(handle));
      };
      return { open, close: () => session.close() };
    },
    close: () => screen.stop(),
  };
}
