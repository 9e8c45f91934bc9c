/**
 * What five hundred charts at one value a second cost a browser: `node e2e/charts.bench.mjs [--seconds 15] [--json]`, after
 * `npm run build`. Software rendering, all five hundred on the screen at once, and then a usual screen of them.
 */

import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { start } from '../dev/mock.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
    shot: { type: 'string' },
  },
});
const SECONDS = Number(values.seconds);
const PAGE = '/explore?p=' + encodeURIComponent('big-10k/hosts/*/cpu_busy') + '&layout=each&from=-15m';
const CASES = [
  ['500 charts, all on the screen', { width: 3840, height: 3600 }],
  ['500 charts, a screen of them', { width: 1440, height: 900 }],
];

/** Counts what happens in the page: frames, charts painted, and what blocks. */
function count() {
  const seen = (window.seen = { frames: 0, slowest: 0, charts: 0, blocked: 0, long: 0 });
  let last = performance.now();
  const frame = (now) => {
    seen.frames++;
    seen.slowest = Math.max(seen.slowest, now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) {
      seen.long++;
      seen.blocked += task.duration;
    }
  }).observe({ type: 'longtask' });
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...args) {
    seen.charts++;
    return clear.apply(this, args);
  };
}

/** Processor seconds of the processes below one. */
function cpuOf(pids) {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended.
    }
  }
  return ticks / 100;
}

const mock = await start({ port: 0, still: true });
mock.world.quick = true;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
const session = await browser.newBrowserCDPSession();
const results = [];
for (const [name, viewport] of CASES) {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  await page.addInitScript(count);
  const begun = Date.now();
  await page.goto(mock.url + PAGE);
  await page.waitForFunction(() => document.querySelectorAll('section.panel').length >= 500, null, {
    timeout: 60_000,
  });
  await page.waitForFunction(() => document.querySelectorAll('.uplot').length > 10, null, {
    timeout: 60_000,
  });
  const shown = Date.now() - begun;
  // The first painting is not what is measured.
  await page.waitForTimeout(5_000);
  const painted = await page.evaluate(
    () =>
      [...document.querySelectorAll('.uplot')].filter(
        (one) => one.getBoundingClientRect().top < innerHeight && one.getBoundingClientRect().bottom > 0,
      ).length,
  );
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pids = processInfo.map((one) => one.id);
  const [cpu, from, before] = [
    cpuOf(pids),
    Date.now(),
    await page.evaluate(() => ({ ...Object.assign(window.seen, { slowest: 0 }) })),
  ];
  await page.waitForTimeout(SECONDS * 1000);
  const after = await page.evaluate(() => ({ ...window.seen }));
  const seconds = (Date.now() - from) / 1000;
  const per = (of) => (after[of] - before[of]) / seconds;
  results.push({
    name,
    charts_on_screen: painted,
    all_there_ms: shown,
    frames_per_second: per('frames'),
    charts_painted_per_second: per('charts'),
    slowest_frame_ms: after.slowest,
    long_tasks_per_second: per('long'),
    main_thread_blocked: per('blocked') / 1000,
    browser_cores: (cpuOf(pids) - cpu) / seconds,
  });
  if (values.shot) await page.screenshot({ path: `${values.shot}-${viewport.width}.png` });
  await context.close();
}
await browser.close();
await mock.stop();
if (values.json) console.log(JSON.stringify(results, null, 2));
else {
  console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, software rendering, ${SECONDS} s each`);
  for (const one of results)
    console.log(
      `${one.name} (${one.charts_on_screen} visible): ${one.frames_per_second.toFixed(1)} frames/s, ${one.charts_painted_per_second.toFixed(0)} charts painted/s, slowest frame ${one.slowest_frame_ms.toFixed(0)} ms, main thread blocked ${(one.main_thread_blocked * 100).toFixed(0)} %, browser ${one.browser_cores.toFixed(2)} cores, all there after ${one.all_there_ms} ms`,
    );
}
