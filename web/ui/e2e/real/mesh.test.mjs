/** The mesh while it is looked at: a farm that dies and comes back, names that mean harm, a way through it by keys alone. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVIL } from './furnished.mjs';
import { looking, picture, tabTo } from './look.mjs';

describe('the mesh', () => {
  const look = looking();
  const farms = (page) => page.getByRole('list', { name: 'Farms, the worst first' });

  it('shows that a farm died, and why, and takes it back, without being loaded again', () =>
    look.page(async (page) => {
      const nav = page.getByRole('navigation', { name: 'Pages' });
      await page.goto(look.mesh.url);
      await page.evaluate(() => (window.notLoadedAgain = true));
      const row = farms(page).getByRole('listitem').filter({ hasText: 'lisbon' });
      await row.getByText('Lisbon ·').waitFor();
      await look.mesh.end('lisbon');
      await row.getByText('lost: its lease ran out').waitFor();
      await page.locator('[aria-live=assertive]', { hasText: 'lisbon' }).waitFor({ state: 'attached' });
      await page
        .getByRole('region', { name: 'Transitions, newest first' })
        .getByText('lisbon')
        .first()
        .waitFor();
      await picture(page, 'a-farm-is-lost');
      await nav.getByRole('link', { name: /^Alarms/ }).click();
      const lost = page.getByRole('row').filter({ hasText: 'the farm is lost:' });
      await lost.getByRole('link', { name: 'lisbon' }).click();
      await page.getByText(/lisbon is gone: lost: its lease ran out/).waitFor();
      await nav.getByRole('link', { name: 'Mesh' }).click();

      await look.mesh.farm('lisbon');
      await row.getByText('lost: its lease ran out').waitFor({ state: 'detached' });
      await row.getByText('Lisbon ·').waitFor();
      await nav.getByRole('link', { name: /^Alarms/ }).click();
      await lost.waitFor({ state: 'detached' });
      await nav.getByRole('link', { name: 'Lookups' }).click();
      const told = page.getByRole('region', { name: 'What happened' }).getByRole('listitem');
      await told
        .filter({ hasText: /gone.*lisbon/s })
        .first()
        .waitFor();
      assert.equal(await page.evaluate(() => window.notLoadedAgain), true);
    }));

  it('never takes a name for more than a name', () =>
    look.page(async (page) => {
      await page.goto(look.mesh.url);
      const inert = (text) => page.getByText(text).locator('visible=true').first().waitFor();
      await farms(page)
        .getByText('<img src=x onerror=alert(1)>evil\\u{202e}gnp.exe\\u{200b}')
        .first()
        .click();
      await page.getByRole('heading', { level: 1, name: '<img src=x' }).waitFor();
      const tree = page.getByRole('tree');
      // The only cluster besides the farm's own; its name means harm, too.
      const unfold = (name) => tree.getByText(name, { exact: true }).click();
      await unfold('<img src=x onerror=alert(1)>');
      await unfold('evil\\u{202e}gnp.exe\\u{200b}');
      await tree.getByText('<img src=x onerror=alert(1)>', { exact: true }).nth(2).waitFor();
      await picture(page, 'names-that-mean-harm');
      for (const path of [
        `/farm/${encodeURIComponent(EVIL)}?tab=heat`,
        `/farm/${encodeURIComponent(EVIL)}?tab=collectors`,
        `/explore?layout=each&p=${encodeURIComponent('*/<img*')}`,
        `/explore?table=1&p=${encodeURIComponent('*/<img*')}`,
        `/compare?p=${encodeURIComponent('*/<img*/*/<img*')}`,
        '/lookups',
      ]) {
        await page.goto(look.mesh.url + path);
        await inert(path === '/lookups' ? 'What happened' : /onerror=alert/);
        assert.equal(await page.locator('img[src="x"]').count(), 0, path);
        assert.equal(await page.evaluate(() => /[\u202a-\u202e]/.test(document.body.innerText)), false, path);
      }
    }));

  it('is walked by the keyboard alone, to a value of a node', () =>
    look.page(async (page) => {
      await page.goto(look.mesh.url);
      await farms(page).getByRole('link').first().waitFor();
      await page.keyboard.press('/');
      await page.keyboard.type('lisb');
      await farms(page).getByRole('listitem').nth(1).waitFor({ state: 'detached' });
      await tabTo(page, ({ tag, text }) => tag === 'A' && text.includes('lisbon'));
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { level: 1, name: 'lisbon' }).waitFor();
      const tree = page.getByRole('tree');
      await tree.getByText('level').waitFor();
      await tabTo(page, ({ role }) => role === 'tree');
      const active = () => tree.locator('[aria-selected=true]');
      await page.keyboard.press('Home');
      while (!/level/.test(await active().innerText())) await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowRight');
      await tree.locator('[aria-level="2"]').first().waitFor();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await tree.getByText('fill').waitFor();
      while (!/fill/.test(await active().innerText())) await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/explore\?p=lisbon/);
      await page.getByRole('slider', { name: /fill/ }).waitFor();
      for (const [key, title] of Object.entries({
        m: 'Mesh',
        c: 'Compare',
        f: 'Filters',
        l: 'Lookups',
        e: 'Explore',
      })) {
        await page.keyboard.press('g');
        await page.keyboard.press(key);
        await page.getByRole('heading', { level: 1, name: title }).waitFor();
      }
    }));
});
