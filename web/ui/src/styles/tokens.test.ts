import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8');
const theme = (dark: boolean): Map<string, string> =>
  new Map(
    [...css.matchAll(/(--[\w-]+):\s*light-dark\(([^,]+),\s*([^;]+)\);/g)].map((match) => [
      match[1] ?? '',
      (dark ? match[3] : match[2])?.trim() ?? '',
    ]),
  );
const light = theme(false);
const dark = theme(true);

function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const share = parseInt(color.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

describe('colours', () => {
  it('are there for light and dark', () => {
    expect(light.size).toBeGreaterThan(50);
    expect(
      [...light.values(), ...dark.values()].filter((color) => !/^(#[0-9a-f]{6}|rgb\(.*\))$/.test(color)),
    ).toEqual([]);
  });
  it('can be read on every ground', () => {
    for (const theme of [light, dark]) {
      for (const ground of ['--paper', '--surface', '--raised', '--hover'])
        for (const ink of [
          '--ink',
          '--ink-2',
          '--ink-3',
          '--accent',
          '--ok-ink',
          '--info-ink',
          '--warning-ink',
          '--critical-ink',
          '--unknown-ink',
        ])
          expect(
            contrast(theme.get(ink) ?? '', theme.get(ground) ?? ''),
            `${ink} on ${ground}`,
          ).toBeGreaterThanOrEqual(4.5);
      for (const level of ['ok', 'info', 'warning', 'critical', 'unknown']) {
        expect(
          contrast(theme.get(`--${level}-ink`) ?? '', theme.get(`--${level}-soft`) ?? ''),
          `${level} on its own`,
        ).toBeGreaterThanOrEqual(4.5);
        if (level !== 'warning')
          expect(
            contrast(theme.get(`--${level}`) ?? '', theme.get('--surface') ?? ''),
            level,
          ).toBeGreaterThanOrEqual(3);
      }
      expect(contrast(theme.get('--on-accent') ?? '', theme.get('--accent') ?? '')).toBeGreaterThanOrEqual(
        4.5,
      );
    }
  });
  it('of the heat map go evenly from light to dark, or from dark to light', () => {
    for (const theme of [light, dark]) {
      const steps = [0, 1, 2, 3, 4, 5, 6].map((step) => luminance(theme.get(`--heat-${step}`) ?? ''));
      const rising = (steps[6] ?? 0) > (steps[0] ?? 0);
      for (let at = 1; at < steps.length; at++) expect((steps[at] ?? 0) > (steps[at - 1] ?? 0)).toBe(rising);
    }
  });
});
