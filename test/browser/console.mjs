// Operates the console as an operator does, in Chromium and Firefox.

import { startBrowser } from "./service.mjs";
import { eventually } from "./demo.mjs";
import puppeteer from "puppeteer-core";

/** The functions that start a browser for the console. open returns a page of Playwright or of Puppeteer. */
export const BROWSERS = { Chromium: startChromium, Firefox: startFirefox };

/** Runs in each page before its scripts: makes violations of the policy errors on the console. */
function reportViolations() {
  addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
  });
}

async function startChromium() {
  const browser = await startBrowser();
  return {
    async open({ width, height, scheme, phone }) {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce", hasTouch: phone, isMobile: phone });
      const page = await context.newPage();
      await page.addInitScript(reportViolations);
      return { page, close: () => context.close() };
    },
    close: () => browser.close(),
  };
}

async function startFirefox() {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    extraPrefsFirefox: { "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false, "ui.prefersReducedMotion": 1 },
  });
  return {
    async open({ width, height, scheme }) { // Firefox emulates no phone: there it is a narrow window
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      await page.setViewport({ width, height });
      await page.evaluateOnNewDocument(reportViolations);
      await page.evaluateOnNewDocument((theme) => localStorage.getItem("bellhop.console.theme") ?? localStorage.setItem("bellhop.console.theme", theme), scheme); // BiDi cannot emulate it
      return { page, close: () => context.close() };
    },
    close: () => browser.close(),
  };
}

/** Messages that browsers write about answers that a test expects. */
const EXPECTED = /Failed to load resource|downloadable font/;

/** A page with the console. */
export class ConsolePage {
  errors = []; // that the page caused

  /** Opens the console at an address such as #user=ada. */
  static async open(browser, origin, { hash = "", width = 1280, height = 900, scheme = "light", ...more } = {}) {
    const opened = await browser.open({ width, height, scheme, ...more });
    const page = new ConsolePage();
    Object.assign(page, opened, { origin });
    page.page.on("console", (message) => {
      if (["error", "warning", "warn"].includes(message.type()) && !EXPECTED.test(message.text())) page.errors.push(message.text());
    });
    page.page.on("pageerror", (error) => page.errors.push(error.message));
    await page.page.goto(`${origin}/console${hash}`);
    return page;
  }

  /** Calls a function in the page; again if the page was loaded meanwhile. */
  async run(fn, ...args) {
    for (;;) {
      try {
        return await this.page.evaluate(`(${fn})(...${JSON.stringify(args)})`);
      } catch (error) {
        if (!/context was destroyed/.test(error.message)) throw error;
      }
    }
  }

  ready() {
    return this.shows("#status strong", "Ready");
  }

  /** Returns the text of the first element of a selector as it is shown; undefined if it is not. */
  text(selector) {
    return this.run((selector) => {
      const element = [...document.querySelectorAll(selector)].find((one) => one.checkVisibility());
      return element?.innerText.replace(/\s+/g, " ").trim();
    }, selector);
  }

  texts(selector) {
    return this.run((selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()).map((one) => one.innerText.replace(/\s+/g, " ").trim()), selector);
  }

  shows(selector, want) {
    return eventually(() => this.text(selector), want);
  }

  showsAll(selector, want) {
    return eventually(() => this.texts(selector), want);
  }

  /** Waits until the text of an element matches a pattern. */
  matches(selector, pattern, timeout) {
    return eventually(async () => pattern.test((await this.text(selector)) ?? "") || (await this.text(selector)), true, timeout);
  }

  figure(name) {
    return this.text(`[data-figure=${name}]`);
  }

  /** Returns the legend of a chart: values by name. */
  legend(title) {
    return this.run((title) => {
      const panel = [...document.querySelectorAll(".panel")].find((one) => one.querySelector("h3").textContent === title);
      return Object.fromEntries([...panel.querySelectorAll(".legend li")].map((one) => [one.querySelector("span").textContent, one.querySelector("b").textContent]));
    }, title);
  }

  /** Clicks the visible button or link with a name, within a selector. */
  async click(name, within = "body") {
    const click = () => this.run((name, within) => {
      const all = [...document.querySelector(within).querySelectorAll("button, a, summary")];
      const found = all.find((one) => one.checkVisibility() && one.innerText.trim() === name);
      if (!found) return `there is no ${name}`;
      if (found.disabled) return `${name} is disabled`; // as a form is until its last request is answered
      found.focus();
      found.click();
      return `${name} was clicked`;
    }, name, within);
    await eventually(click, `${name} was clicked`);
  }

  /** Sets the value of a field, as by typing. */
  async fill(selector, value) {
    await this.run((selector, value) => {
      const field = [...document.querySelectorAll(selector)].find((one) => one.checkVisibility());
      field.focus();
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }, selector, value);
  }

  /** Types on the keyboard. */
  async type(text) {
    await this.page.keyboard.type(text);
  }

  async press(key) {
    await this.page.keyboard.press(key);
  }

  /** Looks a user or a notification up. The page may move the focus when it has loaded, so that Enter is lost. */
  async lookUp(name) {
    const opened = () => this.run((name) => decodeURIComponent(location.hash).includes(name.trim()), name);
    const search = async () => {
      await this.fill("#search-text", name);
      await this.press("Enter");
      return opened();
    };
    if (await search()) return;
    await eventually(async () => (await opened()) || search(), true); // what was opened may have no search
  }

  async goTo(hash) {
    await this.run((hash) => void (location.hash = hash), hash);
  }

  /** Returns the element that has the focus: its ID or its text. */
  focused() {
    return this.run(() => document.activeElement.id || document.activeElement.innerText);
  }

  screenshot(path) {
    return this.page.screenshot({ path });
  }
}
