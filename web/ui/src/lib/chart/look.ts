/** The theme's colours as canvases need them: read once for each theme, not once for each chart. */
import { themes } from '../theme.svelte';
import { tokenOf } from './palette';
import type { Look } from './plot';

let of = '';
let look: Look = { text: '', grid: '', hatch: '', font: '', surface: '', ink: '' };
const colors = new Map<string, string>();

function follow(): void {
  if (of === themes.shown) return;
  // The attribute of the theme is there before anybody paints by it.
  of = themes.shown;
  colors.clear();
  look = {
    text: themes.color('--ink-3'),
    grid: themes.color('--line'),
    hatch: themes.color('--line-strong'),
    font: themes.color('--font') || 'sans-serif',
    surface: themes.color('--surface'),
    ink: themes.color('--ink'),
  };
}

export function lookNow(): Look {
  follow();
  return look;
}

/** The colour of series number `index`. */
export function colorOf(index: number): string {
  follow();
  const token = tokenOf(index);
  let color = colors.get(token);
  if (color === undefined) {
    color = themes.color(token);
    colors.set(token, color);
  }
  return color;
}
