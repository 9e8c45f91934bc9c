import { describe, expect, it } from 'vitest';
import type { SeriesHead } from '../api/types';
import { band, line, steps, type Pen } from './paths';
import { axisRange, extent } from './range';
import type { Track } from './store';
import { summary } from './summary';

class Written implements Pen {
  text: string[] = [];
  moveTo = (x: number, y: number) => void this.text.push(`M${x},${y}`);
  lineTo = (x: number, y: number) => void this.text.push(`L${x},${y}`);
  rect = (x: number, y: number, w: number, h: number) => void this.text.push(`R${x},${y},${w},${h}`);
  closePath = () => void this.text.push('Z');
}

function track(t: number[], mean: number[], spread = 0): Track {
  return {
    head: { s: 0, farm: 'oak' } as SeriesHead,
    t,
    mean,
    last: mean,
    min: mean.map((value) => value - spread),
    max: mean.map((value) => value + spread),
    count: mean.map((_, index) => index + 1),
    text: mean.map(() => null),
  };
}
const place = { x: (t: number) => t, y: (value: number) => 100 - value };

describe('paths', () => {
  it('a line is joined within runs and never between them', () => {
    const pen = new Written();
    line(
      pen,
      track([0, 10, 40, 50], [1, 2, 3, 4]),
      [
        { begin: 0, end: 2 },
        { begin: 2, end: 4 },
      ],
      place,
      2,
    );
    expect(pen.text).toEqual(['M0,99', 'L10,98', 'M40,97', 'L50,96']);
  });

  it('a bin alone is a dot: it would not be seen otherwise', () => {
    const pen = new Written();
    line(pen, track([10], [5]), [{ begin: 0, end: 1 }], place, 2);
    expect(pen.text).toEqual(['R9,94,2,2']);
  });

  it('a band goes along the greatest and back along the least', () => {
    const pen = new Written();
    band(pen, track([0, 10], [50, 60], 5), [{ begin: 0, end: 2 }], place, 2);
    expect(pen.text).toEqual(['M0,45', 'L10,35', 'L10,45', 'L0,55', 'Z']);
  });

  it('bins of one sample each have no band', () => {
    const pen = new Written();
    band(pen, track([0, 10], [50, 60]), [{ begin: 0, end: 2 }], place, 2);
    expect(pen.text).toEqual([]);
  });

  it('states are held until the next, and the last for its bin at most', () => {
    const pen = new Written();
    steps(pen, track([0, 10], [1, 0]), [{ begin: 0, end: 2 }], place, 10, 15);
    expect(pen.text).toEqual(['M0,99', 'L10,99', 'L10,100', 'L15,100']);
  });
});

describe('ranges of axes', () => {
  it('holds bands, and only what is in the window', () => {
    expect(extent([track([0, 10, 20], [5, 50, 5], 2)], 15, 30)).toEqual([3, 52]);
    expect(extent([track([0], [NaN])], 0, 10)).toBeNull();
    expect(extent([], 0, 10)).toBeNull();
  });

  it('every range is proper and holds its extent', () => {
    for (const unit of ['1', 'By', 'Cel', ''])
      for (const low of [-1e12, -5, 0, 1e-9, 0.2, 0.999, 7, 1e15])
        for (const spread of [0, 1e-7, 0.001, 3, 1e12]) {
          const [from, to] = axisRange([low, low + spread], unit);
          expect(from).toBeLessThan(to);
          expect(from).toBeLessThanOrEqual(low);
          expect(to).toBeGreaterThanOrEqual(low + spread);
        }
  });

  it('ratios never reach beyond what they can be, and small ones start at zero', () => {
    expect(axisRange([0.2, 1], '1')).toEqual([0, 1]);
    expect(axisRange([0, 0], '1')).toEqual([0, 0.01]);
    expect(axisRange([0.9, 0.92], '1')[0]).toBeGreaterThan(0.8);
  });
});

describe('summaries', () => {
  it('weigh each bin by its samples', () => {
    const found = summary(track([0, 10, 20], [1, 2, 30], 1), 5, 30);
    expect([found.last, found.min, found.max]).toEqual([30, 1, 31]);
    expect(found.mean).toBeCloseTo((2 * 2 + 30 * 3) / 5);
  });

  it('of nothing are nothing', () => {
    expect(summary(track([0], [1]), 5, 30)).toMatchObject({ at: -1, last: NaN, mean: NaN });
  });
});
