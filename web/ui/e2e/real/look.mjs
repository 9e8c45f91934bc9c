/** What all tests of the real mesh share: the mesh that runs, a browser, pages with or without the session, pictures. */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { browser, open } from '../browser.mjs';
import { PATIENCE, RealMesh } from './mesh.mjs';

export { PHONE } from '../browser.mjs';
export const PATIENT = { timeout: PATIENCE };
const keep = process.env.E2E_ARTEFACTS;

/** The mesh of these tests, and a browser for as long as they run. */
export function looking() {
  const mesh = new RealMesh(process.env.E2E_FOLDER);
  let running;
  before(async () => {
    running = await browser();
  });
  after(() => running?.close());
  return {
    mesh,
    /** A page that is closed after `use`, and in which nothing may go wrong meanwhile. */
    async page(use, options = {}) {
      const { page, problems, close } = await open(running, options);
      page.setDefaultTimeout(PATIENCE);
      let dialogs = 0;
      page.on('dialog', (dialog) => (dialogs++, dialog.dismiss()));
      if (options.session) {
        await page.goto(`${mesh.url}/#session=${mesh.token}`);
        await page.waitForFunction(() => location.hash === '');
      }
      try {
        await use(page);
        assert.equal(await page.locator('img[src="x"]').count(), 0);
        assert.deepEqual(problems, []);
        assert.equal(dialogs, 0);
      } catch (error) {
        await picture(page, `failed-${Date.now()}`).catch(() => {});
        throw error;
      } finally {
        await close();
      }
    },
  };
}

/** Keeps what the page looks like, where pictures are kept. */
export async function picture(page, name) {
  if (!keep) return;
  mkdirSync(keep, { recursive: true });
  await page.screenshot({ path: join(keep, `${name}.png`) });
}

/** Walks by the Tab key to what satisfies `wanted`; everything on the way has to show that it has the focus. */
export async function tabTo(page, wanted, most = 150) {
  for (let step = 0; step < most; step++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const { outlineStyle, boxShadow } = getComputedStyle(element);
      return {
        tag: element.tagName,
        role: element.getAttribute('role'),
        text: (element.getAttribute('aria-label') ?? element.textContent ?? '').trim(),
        shown: element === document.body || outlineStyle !== 'none' || boxShadow !== 'none',
      };
    });
    assert.ok(at.shown, `nothing shows that ${at.tag} "${at.text.slice(0, 60)}" has the focus`);
    if (wanted(at)) return at;
  }
  assert.fail(`not reached by ${most} presses of Tab`);
}
