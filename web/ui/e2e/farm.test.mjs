/** A farm of ten thousand nodes, and its heat map. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { browser, meshToLookAt, open } from './browser.mjs';

const PATIENCE = { timeout: 30_000 };

describe(
  'a farm of ten thousand nodes',
  { skip: process.env.HEDGEROW_URL ? 'of the made-up mesh only' : false },
  () => {
    let mesh;
    let running;
    before(async () => {
      mesh = await meshToLookAt({ still: true, farms: 5 });
      running = await browser();
    });
    after(async () => {
      await running?.close();
      await mesh?.stop();
    });

    it('is a tree of which only the rows in sight exist', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(`${mesh.url}/farm/big-10k`);
      const tree = page.getByRole('tree');
      await tree.getByText('hosts', { exact: true }).click();
      await tree.getByText('n1', { exact: true }).waitFor(PATIENCE);
      assert.ok((await tree.getByRole('treeitem').count()) < 80);
      await tree.focus();
      await page.keyboard.press('End');
      await page.keyboard.press('ArrowUp');
      for (let at = 0; at < 4; at++) await page.keyboard.press('ArrowUp');
      await tree.getByText('n10000', { exact: true }).waitFor(PATIENCE);
      assert.ok((await tree.getByRole('treeitem').count()) < 80);
      await page.getByLabel('Search nodes').fill('n7777');
      await tree.getByText('n7777', { exact: true }).click();
      await tree.getByText('cpu_busy').waitFor(PATIENCE);
      await page.getByRole('treeitem', { name: /cpu_busy.*%/ }).waitFor(PATIENCE);
      assert.deepEqual(problems, []);
      await close();
    });

    it('is a heat map that says in words what it shows', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(`${mesh.url}/farm/big-10k?tab=heat`);
      const picture = page.getByRole('img', { name: /cpu_busy of 10.000 nodes: from/ });
      await picture.waitFor(PATIENCE);
      await picture.focus();
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowRight');
      await page.getByText(/^n2: \d/).waitFor(PATIENCE);
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/explore\?p=big-10k%2Fhosts%2Fn2%2Fcpu_busy/);
      assert.deepEqual(problems, []);
      await close();
    });
  },
);
