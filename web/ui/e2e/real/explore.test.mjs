/** Charts of a real mesh against what the farms themselves say: the seam of history and live, exports, saved views. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { looking, picture } from './look.mjs';
import { replace, until } from './mesh.mjs';

const TICKS = 'lisbon/clock/*/tick';

/** Keeps the points of the chart of a predicate as the page gets them; those that come again replace those before. */
function pointsOf(page, predicate) {
  const chart = { bin: 0, points: new Map(), opened: 0 };
  page.on('websocket', (socket) => {
    let view = null;
    socket.on('framesent', ({ payload }) => {
      const said = JSON.parse(payload);
      if (said.view?.kind === 'chart' && said.view.predicate === predicate) view = said.open;
    });
    socket.on('framereceived', ({ payload }) => {
      const told = JSON.parse(payload);
      if (view === null || told.view !== view || !told.frame) return;
      const { frame } = told;
      if (frame.full) {
        chart.points.clear();
        chart.opened ||= frame.now;
        chart.bin = frame.bin;
      }
      for (const { t, min, max, count } of frame.points ?? [])
        t.forEach((at, i) => chart.points.set(at, { min: min[i], max: max[i], count: count[i] }));
    });
  });
  return chart;
}

/** Samples in bins, as the page has to show them. */
function folded(samples, bin) {
  const bins = new Map();
  for (const { time, value } of samples) {
    const t = Math.floor(time / bin) * bin;
    const at = bins.get(t);
    if (at) {
      at.min = Math.min(at.min, value);
      at.max = Math.max(at.max, value);
      at.count++;
    } else bins.set(t, { min: value, max: value, count: 1 });
  }
  return bins;
}

describe('explore', () => {
  const look = looking();

  it('joins history and what is live: nothing twice, nothing missing', () =>
    look.page(async (page) => {
      const chart = pointsOf(page, TICKS);
      await page.goto(`${look.mesh.url}/explore?p=${encodeURIComponent(TICKS)}&from=-5m`);
      await page.getByText(/1 series · bins of 1 s · live/).waitFor();
      await until(
        'eight seconds of live values',
        () => Math.max(...chart.points.keys()) > chart.opened + 8_000,
      );
      assert.equal(chart.bin, 1_000);

      // A second behind the newest bin nothing comes any more.
      const end = Math.max(...chart.points.keys()) - 1_000;
      const stored = folded(await look.mesh.query(TICKS, '--since', '10m'), chart.bin);
      const begin = Math.min(...stored.keys(), ...chart.points.keys()) + chart.bin;
      const within = (bins) => [...bins].filter(([t]) => t >= begin && t < end).sort(([a], [b]) => a - b);
      const [shown, kept] = [within(chart.points), within(stored)];
      assert.deepEqual(shown, kept);
      assert.ok(kept.some(([t]) => t < chart.opened - 1_000) && kept.some(([t]) => t > chart.opened + 1_000));
      assert.ok(kept.reduce((sum, [, { count }]) => sum + count, 0) > 20);

      // What is drawn is the same: the table has a row for each bin, once.
      await page.getByRole('button', { name: 'Table' }).click();
      await page.locator('.data tbody tr').first().waitFor();
      const rows = await page
        .locator('.data tbody tr')
        .evaluateAll((all) => all.map((row) => [row.querySelector('time').title, row.cells[1].textContent]));
      const times = rows.map(([title]) => Date.parse(title.replace(' UTC', 'Z').replace(' ', 'T')));
      assert.equal(new Set(times).size, times.length);
      const closed = times.filter((t) => t >= begin && t < end).sort((a, b) => a - b);
      assert.deepEqual(
        closed,
        kept.map(([t]) => t).filter((t) => t >= Math.min(...times)),
      );
      assert.ok(rows.every(([, mean]) => mean !== ''));
      await picture(page, 'table');
    }));

  it('exports what `query` gives', () =>
    look.page(async (page) => {
      const to = Math.floor(Date.now() / 1_000) * 1_000 - 2_000;
      const from = to - 10_000;
      const range = `from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
      await page.goto(`${look.mesh.url}/explore?p=${encodeURIComponent(TICKS)}&${range}`);
      await page.getByText(/1 series · bins of/).waitFor();
      const given = async (choice) => {
        await page.locator('summary', { hasText: 'Export' }).click();
        const [download] = await Promise.all([
          page.waitForEvent('download'),
          page.getByRole('button', { name: choice }).click(),
        ]);
        return readFileSync(await download.path());
      };
      const lines = (await given('CSV, every sample')).toString().split('\r\n').filter(Boolean);
      assert.equal(lines[0], 'farm,cluster,node,parameter,labels,unit,time,value,text');
      const exported = lines.slice(1).map((line) => line.split(','));
      const asked = await look.mesh.query(
        ...[TICKS, '--since', new Date(from).toISOString(), '--until', new Date(to).toISOString()],
      );
      assert.ok(asked.length > 5, `${asked.length} samples`);
      assert.deepEqual(
        exported.map(([farm, , , parameter, , , time, value]) => [
          farm,
          parameter,
          Date.parse(time),
          Number(value),
        ]),
        asked.map(({ farm, parameter, time, value }) => [farm, parameter, time, value]),
      );
      const png = await given('PNG');
      assert.deepEqual([...png.subarray(1, 4)], [...Buffer.from('PNG')]);
    }));

  it('saves views as files, which are edited by hand', () =>
    look.page(
      async (page) => {
        await page.goto(`${look.mesh.url}/explore?p=${encodeURIComponent(TICKS)}&from=-15m`);
        await page.getByRole('button', { name: 'Views' }).click();
        const dialog = page.getByRole('dialog');
        await dialog.getByLabel('Save what this page shows as').fill('Clock of Lisbon');
        await dialog.getByRole('button', { name: 'Save' }).click();
        await dialog.getByRole('link', { name: 'Clock of Lisbon' }).waitFor();

        const folder = look.mesh.path('mesh/web/views');
        const file = `${folder}/clock-of-lisbon.json`;
        const view = JSON.parse(readFileSync(file, 'utf8'));
        assert.deepEqual([view.page, view.state], ['explore', { p: TICKS, from: '-15m' }]);
        replace(
          file,
          JSON.stringify({ ...view, title: 'Edited <b>by hand', state: { ...view.state, from: '-5m' } }),
        );
        writeFileSync(`${folder}/broken.json`, '{');

        await page.goto(`${look.mesh.url}/compare`);
        await page.getByRole('button', { name: 'Views' }).click();
        await dialog.getByText('broken', { exact: true }).nth(1).waitFor();
        await dialog.getByRole('link', { name: 'Edited <b>by hand' }).click();
        await page.waitForURL(
          ({ searchParams }) => searchParams.get('p') === TICKS && searchParams.get('from') === '-5m',
        );
        await page.getByText(/1 series · bins of 1 s/).waitFor();

        await page.getByRole('button', { name: 'Views' }).click();
        await dialog.getByRole('button', { name: 'Delete Edited <b>by hand' }).click();
        await dialog.getByRole('button', { name: 'Delete it' }).click();
        await dialog.getByRole('link', { name: 'Edited' }).waitFor({ state: 'detached' });
        assert.equal(existsSync(file), false);
      },
      { session: true },
    ));

  it('offers what is in the mesh as one types', () =>
    look.page(async (page) => {
      await page.goto(`${look.mesh.url}/explore`);
      await page.keyboard.press('/');
      const field = page.getByRole('combobox', { name: 'Which series' });
      await field.pressSequentially('lisbon/cl');
      await page.getByRole('option', { name: /clock/ }).waitFor();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      assert.equal(await field.inputValue(), 'lisbon/clock/');
      await field.fill('lisbon/clock/[');
      await page.keyboard.press('Escape');
      await page.keyboard.press('Enter');
      await page
        .getByText(/at byte \d+/)
        .first()
        .waitFor();
    }));
});
