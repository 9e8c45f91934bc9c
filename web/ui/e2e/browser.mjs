/** A browser and a mesh to look at: the made-up one, or that of `HEDGEROW_URL` (with the session in `HEDGEROW_SESSION`). */

import { chromium } from 'playwright-core';
import { TOKEN, start } from '../dev/mock.mjs';

export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 360, height: 740 };

/** `{url, token, mock}`: `mock` is null where the mesh is a real one. */
export async function meshToLookAt(options = {}) {
  const real = process.env.HEDGEROW_URL;
  if (real) {
    const link = new URL(real);
    const token = process.env.HEDGEROW_SESSION ?? /#session=(.+)$/.exec(link.hash)?.[1] ?? '';
    return { url: link.origin, token, mock: null, stop: async () => {} };
  }
  const mock = await start({ port: 0, ...options });
  return { url: mock.url, token: TOKEN, mock, stop: mock.stop };
}

export function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--font-render-hinting=none'],
  });
}

/** A page of the given size and colours, that remembers what went wrong in it. */
export async function open(
  running,
  { size = DESKTOP, colorScheme = 'light', reducedMotion = 'reduce' } = {},
) {
  const context = await running.newContext({
    viewport: size,
    colorScheme,
    reducedMotion,
    hasTouch: size.width < 500,
    deviceScaleFactor: size.width < 500 ? 2 : 1,
  });
  const page = await context.newPage();
  const problems = [];
  await page.exposeFunction('wasForbidden', (what) => problems.push(`policy: ${what}`));
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      window.wasForbidden(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ''}`),
    ),
  );
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    // That a server is away is told by the browser itself; some tests mean it.
    if (message.type() === 'error' && !/WebSocket connection|Failed to load resource/.test(text))
      problems.push(`console: ${text}`);
  });
  return { page, problems, close: () => context.close() };
}
