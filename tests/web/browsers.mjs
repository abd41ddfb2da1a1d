/** The browsers that the page is tested in, behind one face. */
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

/** How long anything may take before a test fails, in milliseconds. */
export const PATIENCE = 30_000;

/**
 * @typedef {object} Page
 * @property {(url: string) => Promise<void>} goto
 * @property {(work: Function, ...args: unknown[]) => Promise<any>} evaluate runs in the page
 * @property {(work: Function, ...args: unknown[]) => Promise<void>} until waits until it holds in the page
 * @property {(selector: string, paths: string[]) => Promise<void>} setFiles
 * @property {(selector: string) => Promise<void>} click
 * @property {(...keys: string[]) => Promise<void>} press keys one after the other, `Shift+ArrowRight` together
 * @property {(text: string) => Promise<void>} type
 * @property {string[]} requests every URL asked of the network
 * @property {string[]} errors every exception that nothing caught, and every violation of the policy
 * @property {() => Promise<void>} close
 */

/** The browsers that are installed: `{ name, page }`, where `page` opens a new page. */
export const browsers = [
  process.env.VIRSTOR_CHROMIUM && { name: 'Chromium', launch: launchChromium },
  process.env.VIRSTOR_FIREFOX && { name: 'Firefox', launch: launchFirefox },
].filter(Boolean);

/** What tests of the page need; without it they are not run. */
export const site = process.env.VIRSTOR_SITE;

async function launchChromium(args = []) {
  const browser = await chromium.launch({
    executablePath: process.env.VIRSTOR_CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
  });
  return {
    /** The browser itself, for what only it can do. */
    browser,
    async page(options = {}) {
      const context = await browser.newContext({ acceptDownloads: true, ...options });
      const page = await context.newPage();
      const requests = [];
      const errors = [];
      page.on('request', (request) => requests.push(request.url()));
      page.on('pageerror', (error) => errors.push(String(error)));
      page.on('console', (message) => /Content Security Policy/.test(message.text()) && errors.push(message.text()));
      page.setDefaultTimeout(PATIENCE);
      return {
        page,
        requests,
        errors,
        goto: async (url) => void (await page.goto(url)),
        evaluate: (work, ...args) => page.evaluate(call(work, args)),
        until: (work, ...args) => until(() => page.evaluate(call(work, args)), work),
        setFiles: (selector, paths) => page.setInputFiles(selector, paths),
        click: (selector) => page.click(selector),
        press: async (...keys) => {
          for (const key of keys) await page.keyboard.press(key);
        },
        type: (text) => page.keyboard.type(text),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

async function launchFirefox() {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env.VIRSTOR_FIREFOX,
    headless: true,
    protocolTimeout: 4 * PATIENCE,
  });
  return {
    browser,
    async page() {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      const requests = [];
      const errors = [];
      page.on('request', (request) => requests.push(request.url()));
      page.on('pageerror', (error) => errors.push(String(error)));
      page.setDefaultTimeout(PATIENCE);
      return {
        page,
        requests,
        errors,
        goto: async (url) => void (await page.goto(url)),
        evaluate: (work, ...args) => page.evaluate(call(work, args)),
        until: (work, ...args) => until(() => page.evaluate(call(work, args)), work),
        setFiles: async (selector, paths) => {
          const input = await page.$(selector);
          await input.uploadFile(...paths);
        },
        click: (selector) => page.click(selector),
        press: async (...keys) => {
          for (const chord of keys) {
            const held = chord.split('+');
            const key = held.pop();
            for (const each of held) await page.keyboard.down(each);
            await page.keyboard.press(key);
            for (const each of held.reverse()) await page.keyboard.up(each);
          }
        },
        type: (text) => page.keyboard.type(text),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

/** Asks until it holds. The drivers' own waiting runs `eval` in the page, which its policy forbids. */
async function until(holds, work) {
  const end = performance.now() + PATIENCE;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${PATIENCE} ms for ${work}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** An expression that calls `work`: both drivers take one, and each has its own way of passing arguments. */
function call(work, args) {
  return `(${work})(${args.map((argument) => JSON.stringify(argument)).join(', ')})`;
}
