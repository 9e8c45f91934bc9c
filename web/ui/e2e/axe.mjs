/** Accessibility of a page as it is now, by axe-core: what is serious or critical is a failure. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const EVERYTHING = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];

/** Findings as lines; none is good. `only`: tags or rules to go by. */
export async function axe(page, only = EVERYTHING) {
  // By the debugger, past the page's security policy, which lets no foreign script in.
  await page.evaluate(source);
  const found = await page.evaluate(
    (only) => window.axe.run(document, { resultTypes: ['violations'], runOnly: only }),
    only,
  );
  return found.violations
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .map(
      (one) =>
        `${one.id} (${one.impact}): ${one.help}: ${one.nodes
          .slice(0, 3)
          .map((node) => node.target.join(' ') + ' ' + (node.any[0]?.message ?? ''))
          .join(' | ')}`,
    );
}
