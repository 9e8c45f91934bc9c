/** Pictures of every page, desktop and phone, light and dark: `node e2e/screenshots.mjs FOLDER [PAGE…]`. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DESKTOP, PHONE, browser, meshToLookAt, open } from './browser.mjs';

const [folder = 'screenshots', ...only] = process.argv.slice(2);
const FARM = process.env.HEDGEROW_FARM ?? 'geneva-1';
const PAGES = {
  mesh: '/',
  farm: `/farm/${encodeURIComponent(FARM)}`,
  'farm-heat': `/farm/${encodeURIComponent(FARM)}?tab=heat`,
  'farm-collectors': `/farm/${encodeURIComponent(FARM)}?tab=collectors`,
  alarms: '/alarms',
  'alarms-why': '/alarms',
  lookups: '/lookups',
  explore: '/explore',
  compare: '/compare',
  filters: '/filters',
};

mkdirSync(folder, { recursive: true });
const mesh = await meshToLookAt();
const running = await browser();
const sizes = process.env.SIZES?.split(',') ?? ['desktop', 'phone'];
const schemes = process.env.SCHEMES?.split(',') ?? ['light', 'dark'];
for (const size of sizes)
  for (const colorScheme of schemes) {
    const { page, problems, close } = await open(running, {
      size: size === 'phone' ? PHONE : DESKTOP,
      colorScheme,
    });
    await page.goto(`${mesh.url}/#session=${mesh.token}`);
    for (const [name, path] of Object.entries(PAGES)) {
      if (only.length > 0 && !only.includes(name)) continue;
      await page.goto(mesh.url + path);
      await page.waitForTimeout(name === 'lookups' || name === 'mesh' ? 3_500 : 1_500);
      if (name === 'alarms-why') {
        await page
          .getByRole('button', { name: /^why.*disk/i })
          .first()
          .click();
        await page.waitForTimeout(700);
      }
      await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) });
    }
    for (const problem of problems) console.error(`${size} ${colorScheme}: ${problem}`);
    await close();
  }
await running.close();
await mesh.stop();
