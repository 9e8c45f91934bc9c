/** Alarms: read by all, taken on by who has the session. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { axe } from './axe.mjs';
import { browser, meshToLookAt, open } from './browser.mjs';

const PATIENCE = { timeout: 20_000 };

describe(
  'alarms',
  {
    skip:
      process.env.HEDGEROW_URL && !process.env.HEDGEROW_ALARM ? 'needs an open alarm: HEDGEROW_ALARM' : false,
  },
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

    it('of a page without a session are read only, and it says how to get one', async () => {
      const { page, close } = await open(running);
      await page.goto(`${mesh.url}/alarms`);
      await page.getByText('This page only reads').waitFor(PATIENCE);
      await page.getByRole('button', { name: 'Acknowledge' }).first().click();
      const dialog = page.getByRole('dialog', { name: 'Session' });
      await dialog.getByText('hedgerow up').waitFor(PATIENCE);
      assert.deepEqual(await axe(page), []);
      await dialog
        .getByLabel('Link or session')
        .fill(`${mesh.url}/#session=this-is-not-the-token-of-anybody`);
      await dialog.getByRole('button', { name: 'Use it' }).click();
      await dialog.getByText(/does not know this session|wrong|not the/i).waitFor(PATIENCE);
      await close();
    });

    it('are acknowledged with a comment and an end, for everybody to see', async () => {
      const { page, problems, close } = await open(running);
      const other = await open(running);
      await other.page.goto(`${mesh.url}/alarms`);
      await page.goto(`${mesh.url}/alarms#session=${mesh.token}`);
      await page.waitForFunction(() => location.hash === '');
      const rows = page
        .locator('tbody tr')
        .filter({ has: page.getByRole('button', { name: 'Acknowledge' }) });
      await rows.first().waitFor(PATIENCE);
      await rows.first().getByRole('button', { name: 'Acknowledge' }).click();
      const dialog = page.getByRole('dialog', { name: 'Acknowledge' });
      const comment = `looking into it ${Date.now()}`;
      await dialog.getByLabel('Comment').fill(comment);
      await dialog.getByLabel('How long').selectOption('1h');
      assert.deepEqual(await axe(page), []);
      await dialog.getByRole('button', { name: 'Acknowledge' }).click();
      await page.getByText('Acknowledged.').waitFor(PATIENCE);
      await page.getByText(comment).waitFor(PATIENCE);
      await other.page.getByText(comment).waitFor(PATIENCE);
      assert.deepEqual([...problems, ...other.problems], []);
      await other.close();
      await close();
    });

    it('tell why', async () => {
      const { page, problems, close } = await open(running);
      await page.goto(`${mesh.url}/alarms`);
      await page.getByRole('button', { name: /^Why/ }).nth(1).click();
      const drawer = page.getByRole('dialog', { name: 'Why' });
      await drawer.getByText('Steps').waitFor(PATIENCE);
      await page.waitForTimeout(500);
      assert.deepEqual(await axe(page), []);
      await page.keyboard.press('Escape');
      await drawer.waitFor({ state: 'hidden', ...PATIENCE });
      assert.deepEqual(problems, []);
      await close();
    });

    it(
      'come and go while they are looked at',
      { skip: process.env.HEDGEROW_URL ? 'of the made-up mesh only' : false },
      async () => {
        const { page, close } = await open(running);
        await page.goto(`${mesh.url}/alarms`);
        await page.locator('tbody tr').first().waitFor(PATIENCE);
        const alarm = mesh.mock.world.raise();
        mesh.mock.world.change(alarm, { text: 'raised while looked at' });
        await page.getByRole('button', { name: 'raised while looked at', exact: true }).waitFor(PATIENCE);
        mesh.mock.world.clear(mesh.mock.world.alarms.get(alarm.key));
        await page
          .getByRole('button', { name: 'raised while looked at', exact: true })
          .waitFor({ state: 'detached', ...PATIENCE });
        await close();
      },
    );
  },
);
