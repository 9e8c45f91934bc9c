/** The server of the page goes away and comes back; the session is another one afterwards. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { looking, picture } from './look.mjs';

describe('an outage', () => {
  const look = looking();
  it('of the whole mesh is said, and the page goes on by itself when it is back', () =>
    look.page(
      async (page) => {
        await page.goto(look.mesh.url);
        const row = page.getByRole('listitem').filter({ hasText: 'Lisbon · fields' });
        await row.waitFor();
        await page.evaluate(() => (window.notLoadedAgain = true));
        await look.mesh.end('up', 'SIGTERM');
        await page.getByText('Disconnected: what is shown is as it was.').waitFor();
        await row.waitFor();
        await picture(page, 'disconnected');
        await look.mesh.up();
        await page.getByText('Disconnected').waitFor({ state: 'detached' });
        await row.waitFor();
        assert.equal(await page.evaluate(() => window.notLoadedAgain), true);
      },
      { session: true },
    ));
});
