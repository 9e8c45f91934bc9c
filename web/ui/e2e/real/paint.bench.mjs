/**
 * How long until the page Mesh stands there, of the mesh at `HEDGEROW_URL`: `node e2e/real/paint.bench.mjs [FARMS [TIMES]]`. First
 * paint as the browser counts it, and when all farms are told and the first of them are drawn; each time a browser with nothing cached.
 */

import { browser, open } from '../browser.mjs';

const [farms = '1', times = '10'] = process.argv.slice(2);
const url = new URL(process.env.HEDGEROW_URL).origin;
const running = await browser();
const seen = [];
// The first warms up the server and the browser, and is not counted.
for (let time = -1; time < Number(times); time++) {
  const { page, close } = await open(running, {});
  await page.addInitScript((farms) => {
    const look = () => {
      const total = /^([\d\s,.]+) farms?$/.exec(
        document.querySelector('.totals button')?.textContent.trim() ?? '',
      );
      const drawn = document.querySelectorAll('[aria-label="Farms, the worst first"] a').length;
      if (total && Number(total[1].replace(/\D/g, '')) >= farms && drawn > 0)
        window.whole = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, Number(farms));
  await page.goto(url);
  await page.waitForFunction(() => window.whole !== undefined, null, { timeout: 60_000 });
  const took = await page.evaluate(() => ({
    paint: performance.getEntriesByName('first-contentful-paint')[0].startTime,
    whole: window.whole,
  }));
  if (time >= 0) seen.push(took);
  await close();
}
await running.close();
for (const [what, words] of [
  ['paint', 'first contentful paint'],
  ['whole', `${farms} farms told and drawn`],
]) {
  const sorted = seen.map((took) => took[what]).sort((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.floor(share * (sorted.length - 1))]);
  console.log(`${words}: median ${at(0.5)} ms, from ${at(0)} to ${at(1)} ms, ${sorted.length} times`);
}
