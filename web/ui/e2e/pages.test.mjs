/** Every page, on a desk and on a phone, light and dark: it is there, nothing goes wrong in it, and everybody can use it. */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { axe } from './axe.mjs';
import { DESKTOP, PHONE, browser, meshToLookAt, open } from './browser.mjs';

const FARM = process.env.HEDGEROW_FARM ?? 'geneva-1';
const PAGES = {
  '/': 'Mesh',
  [`/farm/${encodeURIComponent(FARM)}`]: FARM,
  [`/farm/${encodeURIComponent(FARM)}?tab=heat`]: FARM,
  [`/farm/${encodeURIComponent(FARM)}?tab=collectors`]: FARM,
  [`/farm/${encodeURIComponent(FARM)}?tab=filters`]: FARM,
  [`/farm/${encodeURIComponent(FARM)}?tab=ledger`]: FARM,
  '/explore': 'Explore',
  '/compare': 'Compare',
  '/filters': 'Filters',
  '/alarms': 'Alarms',
  '/alarms?tab=silences': 'Alarms',
  '/lookups': 'Lookups',
  '/nothing-here': null,
};
/** Pictures are kept where this says. */
const keep = process.env.E2E_ARTEFACTS;

describe('pages', () => {
  let mesh;
  let running;
  before(async () => {
    mesh = await meshToLookAt({ still: true });
    running = await browser();
    if (keep) mkdirSync(keep, { recursive: true });
  });
  after(async () => {
    await running?.close();
    await mesh?.stop();
  });

  for (const [size, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE }))
    for (const colorScheme of ['light', 'dark'])
      it(`are whole and can be used by everybody: ${size}, ${colorScheme}`, async () => {
        const { page, problems, close } = await open(running, { size: viewport, colorScheme });
        const wrong = [];
        for (const [path, title] of Object.entries(PAGES)) {
          await page.goto(mesh.url + path);
          if (title) await page.getByRole('heading', { level: 1, name: title }).waitFor({ timeout: 15_000 });
          await page.waitForTimeout(800);
          // Colours of the dark phone are those of the dark desk.
          if (size === 'desktop' || colorScheme === 'light')
            wrong.push(...(await axe(page)).map((line) => `${path}: ${line}`));
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          if (wide > 0) wrong.push(`${path}: ${wide} px wider than the screen`);
          if (keep)
            await page.screenshot({
              path: join(keep, `${size}-${colorScheme}${path.replaceAll(/[^a-z0-9]+/gi, '-')}.png`),
            });
        }
        await close();
        assert.deepEqual([...wrong, ...problems], []);
      });
});
