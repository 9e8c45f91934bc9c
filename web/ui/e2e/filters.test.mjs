/** Filters: how deployments fare, deploying a shipped one and an uploaded one, logs, retry, removal. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { axe } from './axe.mjs';
import { PHONE, browser, meshToLookAt, open } from './browser.mjs';

const PATIENCE = { timeout: 30_000 };

describe('filters', { skip: process.env.HEDGEROW_URL ? 'of the made-up mesh only' : false }, () => {
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
  const changer = async (options) => {
    const all = await open(running, options);
    await all.page.goto(`${mesh.url}/#session=${mesh.token}`);
    await all.page.goto(`${mesh.url}/filters`);
    return all;
  };

  it('without the session nothing can be changed', async () => {
    const { page, problems, close } = await open(running);
    await page.goto(`${mesh.url}/filters`);
    await page.getByRole('link', { name: 'disk-full' }).waitFor(PATIENCE);
    assert.ok(await page.getByRole('button', { name: 'Deploy a filter' }).isDisabled());
    await page.getByRole('link', { name: 'disk-full' }).click();
    await page
      .getByText(/only reads/)
      .first()
      .waitFor(PATIENCE);
    assert.equal(await page.getByRole('button', { name: 'Remove…' }).count(), 0);
    assert.deepEqual(problems, []);
    await close();
  });

  it('a shipped one is deployed by its form, once what it wants is granted', async () => {
    const { page, problems, close } = await changer();
    await page.getByRole('button', { name: 'Deploy a filter' }).click();
    const drawer = page.getByRole('dialog');
    await drawer.getByRole('radio', { name: /threshold-alarm/ }).check();
    await drawer.getByLabel('above').fill('much');
    await drawer.getByText('expected a number').first().waitFor(PATIENCE);
    await drawer.getByLabel('above').fill('0.95');
    await drawer.getByLabel('severity').selectOption('critical');
    const template = drawer.getByLabel('Which farms, as a template');
    await template.fill('name=oslo-*');
    await drawer.getByText(/^\d farms match now/).waitFor(PATIENCE);
    const deploy = drawer.getByRole('button', { name: 'Deploy', exact: true });
    assert.ok(await deploy.isDisabled());
    await drawer.getByText('It has to be granted: alarms.').waitFor(PATIENCE);
    await drawer.getByRole('checkbox', { name: /alarms/ }).check();
    await drawer.getByLabel('Name').fill('oslo-full');
    assert.deepEqual(await axe(page), []);
    await deploy.click();
    await page.waitForURL(/show=oslo-full/, PATIENCE);
    await drawer.getByText('running').first().waitFor(PATIENCE);
    await drawer.getByRole('tab', { name: 'What it is' }).click();
    await drawer.getByText(/"above": 0\.95/).waitFor(PATIENCE);
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(problems, []);
    await close();
  });

  it('a file is dropped; one that is no filter is refused in words', async () => {
    const { page, problems, close } = await changer();
    await page.getByRole('button', { name: 'Deploy a filter' }).click();
    const drawer = page.getByRole('dialog');
    const drop = (bytes, name) =>
      page.evaluate(
        ([bytes, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { type: 'application/wasm' }));
          document
            .querySelector('.drop')
            .dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));
        },
        [bytes, name],
      );
    await drop([1, 2, 3], 'notes.txt');
    await drawer.getByText(/no WebAssembly/).waitFor(PATIENCE);
    await drop([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], 'mine.wasm');
    await drawer.getByRole('radio', { name: /mine 0\.0\.1/ }).waitFor(PATIENCE);
    await drawer.getByLabel('tags').fill('{oops');
    await drawer
      .getByText(/expected JSON/)
      .first()
      .waitFor(PATIENCE);
    await drawer.getByLabel('tags').fill('{"team": "net"}');
    await drawer.getByRole('checkbox', { name: /alarms/ }).check();
    await drawer.getByRole('checkbox', { name: /history/ }).check();
    await drawer.getByRole('button', { name: 'Deploy', exact: true }).click();
    await page.waitForURL(/show=mine/, PATIENCE);
    assert.deepEqual(problems, []);
    await close();
  });

  it('has a log, is tried again, and is removed only when its name is typed', async () => {
    const { page, problems, close } = await changer();
    await page.getByRole('link', { name: 'load-mean' }).click();
    const drawer = page.getByRole('dialog');
    await drawer
      .getByText(/out of memory/)
      .first()
      .waitFor(PATIENCE);
    await drawer.getByRole('button', { name: /^Retry at/ }).click();
    await drawer
      .getByText(/out of memory/)
      .first()
      .waitFor({ state: 'detached', ...PATIENCE });
    await drawer.getByRole('tab', { name: 'Log' }).click();
    await drawer.getByText('<b>!</b>').first().waitFor(PATIENCE);
    assert.ok((await drawer.getByText('\\u{202e}').count()) > 0);
    assert.deepEqual(await axe(page), []);
    await drawer.getByRole('button', { name: 'Remove…' }).click();
    const remove = drawer.getByRole('button', { name: 'Remove', exact: true });
    assert.ok(await remove.isDisabled());
    await drawer.getByLabel(/Type load-mean/).fill('load-mean');
    await remove.click();
    await page.getByRole('link', { name: 'load-mean' }).waitFor({ state: 'detached', ...PATIENCE });
    assert.deepEqual(problems, []);
    await close();
  });

  it('fits a phone', async () => {
    const { page, problems, close } = await changer({ size: PHONE });
    await page.getByRole('link', { name: 'disk-full' }).waitFor(PATIENCE);
    assert.deepEqual(await axe(page), []);
    await page.getByRole('button', { name: 'Deploy a filter' }).click();
    await page.getByRole('radio', { name: /expr/ }).check();
    await page.getByText('expr has to be given', { exact: false }).first().waitFor(PATIENCE);
    assert.deepEqual(await axe(page), []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
    assert.deepEqual(problems, []);
    await close();
  });
});
