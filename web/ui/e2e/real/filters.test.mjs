/** A filter, from a file that is dropped on the page to an alarm that somebody has taken on, and back to nothing. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { axe } from '../axe.mjs';
import { fill } from './furnished.mjs';
import { looking, picture, tabTo } from './look.mjs';
import { ROOT, until } from './mesh.mjs';

describe('filters and alarms', () => {
  const look = looking();
  /** Drops a file on the page, as a person does. */
  const drop = (page, bytes, name) =>
    page.evaluate(
      ([base64, name]) => {
        const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], name, { type: 'application/wasm' }));
        const at = document.querySelector('[aria-label="A filter of your own"]');
        at.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
      },
      [bytes.toString('base64'), name],
    );

  it('without the session nothing can be changed', () =>
    look.page(async (page) => {
      await page.goto(`${look.mesh.url}/filters`);
      await page.getByRole('link', { name: 'too-full' }).click();
      await page
        .getByRole('dialog')
        .getByText(/only reads/)
        .waitFor();
      assert.equal(await page.getByRole('button', { name: 'Remove…' }).count(), 0);
      await page.goto(`${look.mesh.url}/alarms`);
      await page.getByRole('button', { name: 'Acknowledge' }).first().click();
      await page.getByRole('dialog', { name: 'Session' }).getByText('hedgerow up').waitFor();
    }));

  it('a file is dropped and deployed, runs, raises an alarm that is acknowledged and clears, and is removed', () =>
    look.page(
      async (page) => {
        await page.goto(`${look.mesh.url}/filters`);
        await page.getByRole('button', { name: 'Deploy a filter' }).first().click();
        const drawer = page.getByRole('dialog');
        await drop(page, Buffer.from('#!/bin/sh'), 'notes.wasm');
        await drawer
          .getByText(/WebAssembly|wasm/i)
          .nth(1)
          .waitFor();
        await drop(page, readFileSync(join(ROOT, 'filters/prebuilt/threshold-alarm.wasm')), 'mine.wasm');
        await drawer.getByText(/uploaded,/).waitFor();
        // Its form comes from itself, although it lacks a bound yet.
        await drawer.getByLabel('above').fill('much');
        await drawer.getByText('expected a number').first().waitFor();
        await drawer.getByLabel('above').fill('0.8');
        await drawer.getByLabel('on', { exact: true }).fill('*/level/*/fill');
        await drawer.getByLabel('Which farms, as a template').fill('name=lisbon');
        await drawer.getByText('1 farm matches now').waitFor();
        const deploy = drawer.getByRole('button', { name: 'Deploy', exact: true });
        assert.ok(await deploy.isDisabled());
        await drawer.getByRole('checkbox', { name: /alarms/ }).check();
        await drawer.getByLabel('Name').fill('lisbon-full');
        assert.deepEqual(await axe(page), []);
        await picture(page, 'deploy');
        await deploy.click();
        await page.waitForURL(/show=lisbon-full/);
        const farm = drawer.getByRole('listitem').filter({ hasText: 'lisbon' });
        await farm.getByText('running').waitFor();
        await farm.getByText(/of a core/).waitFor();
        await drawer.getByRole('tab', { name: 'Log' }).click();
        await drawer
          .getByText('It has logged nothing')
          .or(drawer.getByRole('list', { name: /^Log/ }))
          .waitFor();
        await drawer.getByRole('tab', { name: 'What it is' }).click();
        await drawer.getByText('"above": 0.8').waitFor();
        assert.deepEqual(await axe(page), []);
        await page.keyboard.press('Escape');

        await page
          .getByRole('navigation', { name: 'Pages' })
          .getByRole('link', { name: /^Alarms/ })
          .click();
        const row = page.getByRole('row').filter({ hasText: 'lisbon-full' });
        assert.equal(await row.count(), 0);
        fill(look.mesh, 'lisbon', 0.95);
        await row.getByText('lisbon/level').waitFor();
        await row.getByRole('button', { name: /^Why/ }).click();
        const why = page.getByRole('dialog', { name: 'Why' });
        await why.getByText('Steps').waitFor();
        await why
          .getByText(/threshold-alarm/)
          .first()
          .waitFor();
        assert.deepEqual(await axe(page), []);
        await picture(page, 'why');
        await page.keyboard.press('Escape');

        await row.getByRole('button', { name: 'Acknowledge' }).click();
        const dialog = page.getByRole('dialog', { name: 'Acknowledge' });
        await dialog.getByLabel('Comment').fill('looked at <b>');
        await dialog.getByLabel('How long').selectOption('1h');
        assert.deepEqual(await axe(page), []);
        await dialog.getByRole('button', { name: 'Acknowledge' }).click();
        await row.getByText('looked at <b>').waitFor();
        const listed = (await look.mesh.done('alarm', 'list', '--json'))
          .split('\n')
          .filter(Boolean)
          .map((one) => JSON.parse(one));
        const taken = listed.find((one) => one.deployment === 'lisbon-full');
        assert.equal(taken.acknowledged.comment, 'looked at <b>');
        assert.ok(taken.acknowledged.until > Date.now());

        fill(look.mesh, 'lisbon', 0.1);
        await row.waitFor({ state: 'detached' });
        await page.goto(`${look.mesh.url}/filters?show=lisbon-full`);
        await drawer.getByRole('button', { name: 'Remove…' }).click();
        const remove = drawer.getByRole('button', { name: 'Remove', exact: true });
        assert.ok(await remove.isDisabled());
        await drawer.getByLabel(/Type lisbon-full/).fill('lisbon-full');
        await remove.click();
        await page.getByRole('link', { name: 'lisbon-full' }).waitFor({ state: 'detached' });
        await until(
          'the end of the deployment',
          async () => !(await look.mesh.done('filter', 'list')).includes('lisbon-full'),
        );
      },
      { session: true },
    ));

  it('an alarm is acknowledged by the keyboard alone, and everybody sees it', () =>
    look.page(
      async (page) => {
        await look.page(async (other) => {
          await other.goto(`${look.mesh.url}/alarms`);
          await other.getByText('geneva/level').waitFor();
          await page.goto(look.mesh.url);
          await page.getByRole('heading', { level: 1, name: /Mesh/ }).waitFor();
          await page.keyboard.press('g');
          await page.keyboard.press('a');
          await page.getByText('geneva/level').waitFor();
          await tabTo(page, ({ tag, text }) => tag === 'BUTTON' && text === 'Acknowledge');
          await page.keyboard.press('Enter');
          await page.getByRole('dialog', { name: 'Acknowledge' }).waitFor();
          if ((await page.evaluate(() => document.activeElement.tagName)) !== 'TEXTAREA')
            await tabTo(page, ({ tag }) => tag === 'TEXTAREA', 10);
          await page.keyboard.type('by keys');
          await tabTo(page, ({ tag, text }) => tag === 'BUTTON' && text === 'Acknowledge', 10);
          await page.keyboard.press('Enter');
          await page.getByText('by keys').waitFor();
          await other.getByText('by keys').waitFor();
        });
      },
      { session: true },
    ));
});
