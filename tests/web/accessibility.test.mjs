/** Every view, in both themes, by the rules of axe: nothing that keeps people out. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { browsers, site } from './browsers.mjs';
import { load, settled } from './support.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Firefox lays out and computes names by itself; colours are the same in both. */
const looks = browsers.flatMap(({ name, launch }) => (name === 'Chromium' ? ['light', 'dark'] : ['light']).map((theme) => ({ name, launch, theme })));

/** What axe finds, a line each. */
async function violations(page) {
  await page.page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help}: ${target.join(' ')}`));
  });
}

for (const { name, launch, theme } of looks) {
  describe(`axe in the ${theme} theme in ${name}`, { skip: !site }, () => {
    let browser;
    let page;
    before(async () => {
      browser = await launch();
      // In Chromium what axe does to a page is what the page's policy forbids. Firefox takes no such options.
      page = await load(browser, site, { colorScheme: theme, bypassCSP: true });
    });
    after(() => browser?.close());

    it('finds nothing before anything is open', async () => assert.deepEqual(await violations(page), []));

    it('finds nothing in any view', async () => {
      await page.click('[data-sample]');
      await settled(page);
      const views = await page.evaluate(() => Array.from(document.querySelectorAll('[data-view]'), (button) => button.dataset.view));
      assert.ok(views.length > 1);
      for (const view of views) {
        await page.click(`[data-view="${view}"]`);
        await page.until((wanted) => document.querySelector(`[data-view="${wanted}"]`).getAttribute('aria-current') === 'page', view);
        assert.deepEqual(await violations(page), [], view);
      }
    });
  });
}
