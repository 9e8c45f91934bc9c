/** Every page of a real mesh, on a desk and on a phone, light and dark: it shows what is there, and everybody can use it. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { axe } from '../axe.mjs';
import { DESKTOP } from '../browser.mjs';
import { EVIL } from './furnished.mjs';
import { PHONE, looking, picture } from './look.mjs';

const TICKS = encodeURIComponent('*/clock/*/tick');
const evil = `/farm/${encodeURIComponent(EVIL)}`;

/** Addresses, and what has to stand there. */
const PAGES = {
  '/': (page) => page.getByRole('link', { name: /geneva.*1 alarm/ }),
  '/farm/geneva': (page) => page.getByRole('tree').getByText('clock', { exact: true }),
  '/farm/geneva?tab=heat&cluster=hosts&parameter=load1': (page) =>
    page.getByRole('img', { name: /load1 of 1 node/ }),
  '/farm/geneva?tab=collectors': (page) => page.getByText('level').first(),
  '/farm/geneva?tab=filters': (page) => page.getByRole('link', { name: 'too-full' }),
  '/farm/geneva?tab=ledger': (page) => page.getByText('consumer:cache').first(),
  [evil]: (page) => page.getByRole('heading', { level: 1, name: '<img src=x onerror' }),
  [`/explore?p=${TICKS}&from=-5m`]: (page) => page.getByText(/2 series · bins of \d+ s · live/),
  [`/explore?p=${TICKS}&from=-5m&table=1`]: (page) => page.locator('.data tbody tr').nth(3),
  '/compare': (page) => page.getByRole('region', { name: 'Busiest processors' }).locator('li').first(),
  '/filters': (page) => page.getByText('1 running').first(),
  '/filters?show=too-full': (page) => page.getByRole('dialog').getByText('running').first(),
  '/alarms': (page) => page.getByRole('cell', { name: 'too-full' }),
  '/alarms?tab=silences': (page) => page.getByRole('tab', { name: /Silences/, selected: true }),
  '/lookups': (page) => page.getByRole('listitem').filter({ hasText: 'Renewals/s' }).nth(1),
};

describe('every page', () => {
  const look = looking();
  for (const [size, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE }))
    for (const colorScheme of ['light', 'dark'])
      it(`is whole and can be used by everybody: ${size}, ${colorScheme}`, () =>
        look.page(
          async (page) => {
            const wrong = [];
            for (const [path, there] of Object.entries(PAGES)) {
              await page.goto(look.mesh.url + path);
              await there(page).waitFor();
              // In the dark only the colours are others, and those of the phone are those of the desk.
              const rules =
                colorScheme === 'light' ? undefined : size === 'desktop' ? ['color-contrast'] : null;
              if (rules !== null) wrong.push(...(await axe(page, rules)).map((line) => `${path}: ${line}`));
              const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
              if (wide > 0) wrong.push(`${path}: ${wide} px wider than the screen`);
              if (await page.evaluate(() => /[\u202a-\u202e\u200b]/.test(document.body.innerText)))
                wrong.push(`${path}: a mark that turns or hides what stands there`);
              await picture(page, `${size}-${colorScheme}${path.replaceAll(/[^a-z0-9]+/gi, '-')}`);
            }
            assert.deepEqual(wrong, []);
          },
          { size: viewport, colorScheme, session: true },
        ));
});
