import { geoNaturalEarth1 } from 'd3-geo';
import { describe, expect, it } from 'vitest';
import { drawn } from '../../../build/world';
import { project } from './world';

describe('the world', () => {
  const world = drawn();

  it('has places where its land is drawn: the page projects as the build does', () => {
    const by = geoNaturalEarth1().scale(world.scale).translate(world.middle);
    for (let lon = -180; lon < 180; lon += 15)
      for (let lat = -85; lat <= 85; lat += 10) {
        const [x = NaN, y = NaN] = by([lon, lat]) ?? [];
        const [px, py] = project(world, lon, lat);
        expect(Math.hypot(px - x, py - y), `${lon} ${lat}`).toBeLessThan(0.01);
      }
  });
  it('is whole, and small enough to be fetched for a map', () => {
    expect(world.land.startsWith('M')).toBe(true);
    expect(world.borders.startsWith('M')).toBe(true);
    expect(JSON.stringify(world).length).toBeLessThan(200_000);
  });
});
