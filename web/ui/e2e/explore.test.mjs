/** Explore and Compare: predicates, history and live values, zoom, layouts, what is given away, saved views. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { axe } from './axe.mjs';
import { PHONE, browser, meshToLookAt, open } from './browser.mjs';

const PATIENCE = { timeout: 30_000 };
const GAPPY = '/explore?p=' + encodeURIComponent('geneva-2/hosts/n{1,2,3}/cpu_busy');

describe(
  'explore and compare',
  { skip: process.env.HEDGEROW_URL ? 'of the made-up mesh only' : false },
  () => {
    let mesh;
    let running;
    before(async () => {
      mesh = await meshToLookAt({ still: true });
      running = await browser();
    });
    after(async () => {
      await running?.close();
      await mesh?.stop();
    });

    /** How many pixels of the first chart are drawn on. */
    const ink = (page) =>
      page.evaluate(() => {
        const canvas = document.querySelector('.uplot canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let drawn = 0;
        for (let at = 3; at < data.length; at += 4) if (data[at] > 0) drawn++;
        return drawn;
      });

    it('offers what is there as one types, by the keyboard alone', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(`${mesh.url}/explore`);
      await page.keyboard.press('/');
      const field = page.getByRole('combobox', { name: 'Which series' });
      await field.fill('oslo-1/ho');
      await page.getByRole('option', { name: /hosts/ }).waitFor(PATIENCE);
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      assert.equal(await field.inputValue(), 'oslo-1/hosts/');
      await field.fill('oslo-1/hosts/n1/loa');
      await page.getByRole('option', { name: /load1/ }).waitFor(PATIENCE);
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Enter');
      await page.waitForURL(/p=oslo-1%2Fhosts%2Fn1%2Fload1/);
      await page.getByRole('slider', { name: /load1/ }).waitFor(PATIENCE);
      assert.deepEqual(problems, []);
      await close();
    });

    it('says what is wrong with a predicate', async () => {
      const { page, close } = await open(running);
      await page.goto(`${mesh.url}/explore?p=${encodeURIComponent('a(b')}`);
      await page.getByText(/at byte 1.*expected a pattern/).waitFor(PATIENCE);
      await close();
    });

    it('shows history, appends what is live, and zooms to finer data and back', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(mesh.url + GAPPY);
      const chart = page.getByRole('slider', { name: /cpu_busy/ });
      await chart.waitFor(PATIENCE);
      await page.getByText(/3 series · bins of 5 s · live/).waitFor(PATIENCE);
      await page.waitForFunction(() => document.querySelector('.uplot canvas'));
      assert.ok((await ink(page)) > 2_000);
      // Live: the last value in the legend changes by itself.
      const last = page.locator('.legend tbody tr').first().locator('td').nth(1);
      const was = await last.textContent();
      await page
        .waitForFunction(
          (was) => document.querySelector('.legend tbody tr td:nth-child(2)').textContent !== was,
          was,
          PATIENCE,
        )
        .catch(() => assert.fail('nothing live was appended'));
      const box = await chart.boundingBox();
      await page.mouse.move(box.x + box.width * 0.3, box.y + 80);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.4, box.y + 90, { steps: 5 });
      await page.mouse.up();
      await page.waitForURL(/from=.*&to=/, PATIENCE);
      await page.getByText(/3 series · bins of 1 s/).waitFor(PATIENCE);
      await chart.dblclick({ position: { x: 300, y: 100 } });
      await page.waitForURL((url) => !url.search.includes('to='), PATIENCE);
      await page.getByText(/series · bins of 5 s/).waitFor(PATIENCE);
      assert.deepEqual(problems, []);
      await close();
    });

    it('is walked by the keyboard, which says what stands at the cursor', async () => {
      const { page, close } = await open(running);
      await page.goto(mesh.url + GAPPY);
      const chart = page.getByRole('slider', { name: /cpu_busy/ });
      await page.getByText(/series · bins of 5 s/).waitFor(PATIENCE);
      await chart.focus();
      for (let step = 0; step < 3; step++) await page.keyboard.press('Shift+ArrowLeft');
      await page.waitForFunction(
        () =>
          /^\d{4}-\d\d-\d\d .*n1 \d/.test(
            document.querySelector('[role=slider]').getAttribute('aria-valuetext'),
          ) || /no value/.test(document.querySelector('[role=slider]').getAttribute('aria-valuetext')),
      );
      await page.keyboard.press('+');
      await page.waitForURL(/to=/, PATIENCE);
      await page.keyboard.press('Backspace');
      await page.waitForURL((url) => !url.search.includes('to='), PATIENCE);
      await close();
    });

    it('never mixes units: together by unit, by node, each for itself', async () => {
      const { page, problems, close } = await open(running);
      const path = `/explore?p=${encodeURIComponent('geneva-1/hosts/n{1,2}/{cpu_busy,in,link}')}`;
      await page.goto(mesh.url + path);
      const charts = page.locator('.grid > section');
      await charts.first().waitFor(PATIENCE);
      assert.equal(await charts.count(), 3);
      await page.getByRole('button', { name: 'By node' }).click();
      await page.waitForFunction(() => document.querySelectorAll('.grid > section').length === 6);
      await page.getByRole('button', { name: 'Each', exact: true }).click();
      await page.waitForFunction(() => document.querySelectorAll('.grid > section').length === 6);
      await page.getByRole('heading', { name: 'n1 / link[eth0]' }).waitFor(PATIENCE);
      await page.getByText(/several units/).waitFor(PATIENCE);
      assert.deepEqual(await axe(page), []);
      assert.deepEqual(problems, []);
      await close();
    });

    it('holds five hundred charts, and paints only those that can be seen', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(`${mesh.url}/explore?layout=each&p=${encodeURIComponent('big-10k/hosts/*/cpu_busy')}`);
      await page.waitForFunction(
        () => document.querySelectorAll('.grid > section').length === 500,
        null,
        PATIENCE,
      );
      await page.waitForFunction(() => document.querySelectorAll('.uplot').length > 5, null, PATIENCE);
      assert.ok((await page.locator('.uplot').count()) < 150);
      await page.getByText(/500 series of 10\s000 are shown/).waitFor(PATIENCE);
      await page.evaluate(() => document.querySelectorAll('.grid > section')[499].scrollIntoView());
      await page.waitForFunction(
        () => document.querySelectorAll('.grid > section')[499].querySelector('.uplot'),
        null,
        PATIENCE,
      );
      // Those left behind are given up after a while.
      await page.waitForFunction(
        () => !document.querySelectorAll('.grid > section')[0].querySelector('.uplot'),
        null,
        PATIENCE,
      );
      assert.deepEqual(problems, []);
      await close();
    });

    it('gives away CSV and PNG, and a table for who cannot see charts', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(mesh.url + GAPPY);
      await page.getByText(/series · bins of 5 s/).waitFor(PATIENCE);
      for (const [choice, name] of [
        ['CSV, every sample', 'hedgerow.csv'],
        ['PNG', 'hedgerow.png'],
      ]) {
        await page.locator('summary', { hasText: 'Export' }).click();
        const [download] = await Promise.all([
          page.waitForEvent('download', PATIENCE),
          page.getByRole('button', { name: choice }).click(),
        ]);
        assert.equal(download.suggestedFilename(), name);
      }
      await page.getByRole('button', { name: 'Table' }).click();
      await page.getByRole('region', { name: 'Values of the charts' }).waitFor(PATIENCE);
      assert.ok((await page.locator('.data tbody tr').count()) > 10);
      assert.deepEqual(await axe(page), []);
      assert.deepEqual(problems, []);
      await close();
    });

    it('says which farms are missing, and that nothing matches', async () => {
      const { page, close } = await open(running);
      await page.goto(`${mesh.url}/explore?p=${encodeURIComponent('lyon*/hosts/n1/load1')}`);
      await page
        .getByText(/missing:.*lyon-2/s)
        .first()
        .waitFor(PATIENCE);
      await page.goto(`${mesh.url}/explore?p=nowhere`);
      await page.getByText('No series match').waitFor(PATIENCE);
      await close();
    });

    it('saves what a page shows under a name, opens and deletes it', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(`${mesh.url}/#session=${mesh.token}`);
      await page.goto(`${mesh.url}/explore?p=${encodeURIComponent('oslo-1/hosts/n1/load1')}&from=-6h`);
      await page.getByRole('button', { name: 'Views' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('broken', { exact: true }).first().waitFor(PATIENCE);
      assert.deepEqual(await axe(page), []);
      await dialog.getByLabel('Save what this page shows as').fill('Löad of Oslo');
      await dialog.getByRole('button', { name: 'Save' }).click();
      const link = dialog.getByRole('link', { name: 'Löad of Oslo' });
      await link.waitFor(PATIENCE);
      await page.keyboard.press('Escape');
      await page.goto(`${mesh.url}/compare`);
      await page.getByRole('button', { name: 'Views' }).click();
      await link.click();
      await page.waitForURL(/\/explore\?p=oslo-1.*from=-6h/, PATIENCE);
      await page.getByRole('button', { name: 'Views' }).click();
      await dialog.getByRole('button', { name: 'Delete Löad of Oslo' }).click();
      await dialog.getByRole('button', { name: 'Delete it' }).click();
      await link.waitFor({ state: 'detached', ...PATIENCE });
      assert.deepEqual(problems, []);
      await close();
    });

    it('compares all farms, also by an own predicate', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(`${mesh.url}/compare`);
      const first = page.getByRole('region', { name: 'Busiest processors' });
      await first.getByText(/of \d\d\s\d\d\d series/).waitFor(PATIENCE);
      assert.equal(await first.locator('li').count(), 10);
      await page.getByRole('button', { name: 'Traffic' }).click();
      await page
        .getByRole('region', { name: 'Most received' })
        .getByText(/[kMG]?B\/s/)
        .first()
        .waitFor(PATIENCE);
      assert.deepEqual(await axe(page), []);
      const field = page.getByRole('combobox', { name: 'Compare which series' });
      await field.fill('oslo-*/hosts/*/load1');
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: 'Lowest', exact: true }).click();
      await page.waitForURL(/order=least/);
      await page.getByRole('region', { name: 'Lowest' }).locator('li').first().waitFor(PATIENCE);
      assert.deepEqual(problems, []);
      await close();
    });

    it('fits a phone', async () => {
      const { page, problems, close } = await open(running, { size: PHONE });
      for (const path of [GAPPY, `${GAPPY}&layout=each`, `${GAPPY}&table=1`, '/compare?set=disk']) {
        await page.goto(mesh.url + path);
        await page.waitForTimeout(1_200);
        assert.deepEqual(await axe(page), [], path);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, path);
      }
      assert.deepEqual(problems, []);
      await close();
    });
  },
);
