/**
 * The pictures of the documentation, of a real mesh: `npm run screenshots [-- FOLDER [PAGE…]]`, desk and phone, light and dark, as
 * WebP. Looked at before they are committed.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { browser, open } from '../browser.mjs';
import { PATIENCE, ROOT, until } from './mesh.mjs';
import { start } from './pictured.mjs';

const [folder = join(ROOT, 'docs/images'), ...only] = process.argv.slice(2);
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };
const QUALITY = { desktop: 82, phone: 62 };

/** Addresses, and what has to stand there before a picture is taken. */
const PAGES = {
  mesh: ['/', (page) => page.getByText('lost: its lease ran out').first()],
  farm: ['/farm/cern-t0', (page) => page.getByRole('treeitem', { name: /cpu_busy.*%/ }), unfold],
  heat: [
    '/farm/cern-t0?tab=heat&cluster=hosts&parameter=cpu_busy',
    (page) => page.getByRole('img', { name: /cpu_busy of 22 nodes/ }),
  ],
  explore: [
    `/explore?p=${encodeURIComponent('cern-t0/hosts/n0{1,2,3,4}/cpu_busy cern-t0/hosts/n0{1,2,3,4}/in')}`,
    (page) => page.getByText(/8 series · bins of/),
  ],
  compare: ['/compare', (page) => page.getByRole('region', { name: 'Hottest' }).locator('li').nth(9)],
  filters: [
    '/filters?show=disk-full',
    (page) =>
      page
        .getByRole('dialog')
        .getByText(/of a core/)
        .nth(3),
  ],
  alarms: ['/alarms', (page) => page.getByText('disks are ordered')],
  lookups: ['/lookups', (page) => page.getByRole('listitem').filter({ hasText: 'Renewals/s' }).nth(1)],
};

async function unfold(page) {
  await page.getByRole('tree').getByText('n03', { exact: true }).click();
}

async function keep(page, name, quality) {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality });
  writeFileSync(join(folder, `${name}.webp`), Buffer.from(data, 'base64'));
}

mkdirSync(folder, { recursive: true });
const mesh = await start();
const running = await browser();
try {
  const { alarms } = await mesh.get('/api/v1/alarms');
  const disk = alarms.find((alarm) => alarm.deployment === 'disk-full');
  await mesh.done('alarm', 'ack', disk.id, '--comment', 'disks are ordered', '--by', 'ada');
  // So that trends and rates of filters are there, and what happened is not all of one second.
  await until(
    'a while of live values',
    async () => (await mesh.query('cern-t0/hosts/n01/cpu_busy', '--since', '50s')).length > 3,
  );
  for (const [size, viewport] of Object.entries(SIZES))
    for (const colorScheme of ['light', 'dark']) {
      const { page, problems, close } = await open(running, { size: viewport, colorScheme });
      page.setDefaultTimeout(PATIENCE);
      await page.goto(`${mesh.url}/#session=${mesh.token}`);
      for (const [name, [path, there, first]] of Object.entries(PAGES)) {
        if (only.length > 0 && !only.includes(name)) continue;
        await page.goto(mesh.url + path);
        await first?.(page);
        await there(page).waitFor();
        // What is drawn follows what is there: the map, the charts, trends.
        await page.waitForTimeout(name === 'compare' ? 3_000 : 1_200);
        await keep(page, `${name}-${size}-${colorScheme}`, QUALITY[size]);
      }
      for (const problem of problems) console.error(`${size} ${colorScheme}: ${problem}`);
      await close();
    }
} finally {
  await running.close();
  await mesh.stop();
}
