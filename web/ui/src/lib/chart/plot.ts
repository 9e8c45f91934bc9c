/**
 * One plot: uPlot for axes, cursor, selection and sizes; lines, bands, steps and gaps are painted here from the tracks.
 *
 * It is told what to show and when to paint, and never asks for data, timers or frames by itself.
 */
import uPlot from 'uplot';
import { increments, scaleFor, tickTexts, type Scale } from '../format/units';
import { timeTexts } from '../format/ticks';
import { clean } from '../format/text';
import type { ChartGap } from '../api/types';
import { endOf, gapsOf, runsOf } from './breaks';
import { band, line, steps, type Place } from './paths';
import { axisRange, extent } from './range';
import type { Track } from './store';

/** One line of a plot. */
export interface Line {
  track: Track;
  color: string;
  dash: number[];
  /** Of an earlier time, behind this one of now; then its gaps are its own. */
  of?: Track;
  gaps?: readonly ChartGap[];
}

/** What a plot shows. */
export interface Content {
  lines: Line[];
  gaps: readonly ChartGap[];
  bin: number;
  window: [from: number, to: number];
  /** The shown unit, one for all lines. */
  unit: string;
  /** States and texts: steps, and their texts on the axis. */
  stepped: boolean;
  /** Of which line the others step back. */
  focus: Track | null;
}

/** Colours that come from the theme. */
export interface Look {
  text: string;
  grid: string;
  hatch: string;
  font: string;
  /** Ground and ink, for pictures that leave the page. */
  surface: string;
  ink: string;
}

export interface Told {
  /** The pointer is at this time; null: it left. */
  cursor(t: number | null): void;
  /** A range was dragged over. */
  range(from: number, to: number): void;
  /** Double click: back to where one was. */
  back(): void;
}

/** More lines than this are drawn without bands: they would cover one another. */
const BANDS = 12;
/** More lines than this are drawn thin. */
const THIN = 40;

export class Plot {
  readonly #u: uPlot;
  readonly #small: boolean;
  #look: Look;
  #content: Content;
  #scale: Scale = { factor: 1, suffix: '' };
  #low = 0;
  #high = 1;
  /** Texts of codes, where states are shown. */
  #codes = new Map<number, string>();
  /** The time the cursor was put at by others: not to be told back. */
  #quiet = false;

  constructor(
    host: HTMLElement,
    size: { width: number; height: number; small: boolean; bare?: boolean },
    content: Content,
    look: Look,
    told: Told,
  ) {
    this.#small = size.small;
    this.#look = look;
    this.#content = content;
    this.#measure();
    this.#u = size.small ? inMemory(() => this.#make(host, size, told)) : this.#make(host, size, told);
  }

  #make(host: HTMLElement, size: { width: number; height: number; bare?: boolean }, told: Told): uPlot {
    return new uPlot(this.#options(size, told), this.#data(), host);
  }

  /** The canvas as it is, for pictures. */
  get canvas(): HTMLCanvasElement {
    return this.#u.ctx.canvas;
  }

  /** Paints this content now. */
  paint(content: Content): void {
    this.#content = content;
    this.#measure();
    this.#u.setData(this.#data());
  }

  size(width: number, height: number): void {
    if (this.#u.width !== width || this.#u.height !== height) this.#u.setSize({ width, height });
  }

  look(look: Look): void {
    this.#look = look;
    this.#u.redraw(false, true);
  }

  /** Puts the cursor at a time, or away. */
  cursor(t: number | null): void {
    this.#quiet = true;
    const left = t === null ? -10 : this.#u.valToPos(t, 'x');
    this.#u.setCursor({ left, top: t === null ? -10 : 10 }, false);
    this.#quiet = false;
  }

  destroy(): void {
    this.#u.destroy();
  }

  #data(): uPlot.AlignedData {
    return [this.#content.window, [null, null]];
  }

  /** Range and scale of the value axis. */
  #measure(): void {
    const { lines, window, unit, stepped } = this.#content;
    const tracks = lines.map((line) => line.track);
    const found = extent(tracks, window[0], window[1]);
    if (stepped) {
      this.#codes = codesOf(tracks, window[0]);
      const codes = [...this.#codes.keys()];
      this.#low = (codes.length ? Math.min(...codes) : 0) - 0.5;
      this.#high = (codes.length ? Math.max(...codes) : 1) + 0.5;
      return;
    }
    [this.#low, this.#high] = axisRange(found, unit);
    this.#scale = scaleFor(unit, Math.max(Math.abs(this.#low), Math.abs(this.#high)));
  }

  #options(size: { width: number; height: number; bare?: boolean }, told: Told): uPlot.Options {
    const font = () => `${this.#small ? 10 : 11}px ${this.#look.font}`;
    const axis = {
      stroke: () => this.#look.text,
      font: font(),
      ticks: { show: false },
      grid: { stroke: () => this.#look.grid, width: 1 },
      gap: 4,
    };
    return {
      width: size.width,
      height: size.height,
      ms: 1,
      padding: [this.#small ? 6 : 10, this.#small ? 8 : 14, size.bare ? 4 : 0, 0],
      legend: { show: false },
      scales: {
        x: { time: true, range: () => this.#content.window },
        y: { range: () => [this.#low, this.#high] },
      },
      series: [{}, { show: true, points: { show: false } }],
      axes: [
        {
          ...axis,
          show: !size.bare,
          size: this.#small ? 18 : 24,
          space: this.#small ? 56 : 76,
          values: (_u, ticks, _i, _space, step) => timeTexts(ticks, step),
        },
        {
          ...axis,
          space: this.#small ? 22 : 32,
          size: (_u, texts) =>
            Math.max(this.#small ? 30 : 44, longest(texts) * (this.#small ? 5.6 : 6.3) + 12),
          incrs: () => (this.#content.stepped ? [1] : increments(this.#content.unit, this.#scale)),
          ...(this.#content.stepped ? { splits: () => [...this.#codes.keys()].sort((a, b) => a - b) } : {}),
          values: (_u, ticks) =>
            this.#content.stepped
              ? ticks.map((tick) => shortened(clean(this.#codes.get(tick))))
              : tickTexts(ticks, this.#scale),
        },
      ],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false, dist: 4 },
        bind: { dblclick: () => () => (told.back(), null) },
      },
      hooks: {
        draw: [(u) => this.#draw(u)],
        setCursor: [
          (u) => {
            if (this.#quiet) return;
            const left = u.cursor.left ?? -10;
            told.cursor(left < 0 ? null : u.posToVal(left, 'x'));
          },
        ],
        setSelect: [
          (u) => {
            const { left, width } = u.select;
            if (width < 4) return;
            const [from, to] = [u.posToVal(left, 'x'), u.posToVal(left + width, 'x')];
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            told.range(from, to);
          },
        ],
      },
    };
  }

  #draw(u: uPlot): void {
    const { ctx, bbox } = u;
    const { lines, gaps, bin, window, stepped, focus } = this.#content;
    const [from, to] = window;
    const ratio = uPlot.pxRatio;
    const [low, high] = [this.#low, this.#high];
    const perTime = bbox.width / (to - from || 1);
    const perValue = bbox.height / (high - low || 1);
    const bottom = bbox.top + bbox.height;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    this.#hatch(ctx, bbox, (t) => bbox.left + (t - from) * perTime);
    const dot = (this.#small ? 2 : 2.5) * ratio;
    const bands = !stepped && lines.reduce((sum, { of }) => sum + Number(!of), 0) <= BANDS;
    ctx.lineJoin = 'round';
    lines.forEach(({ track, color, dash, of, gaps: own = gaps }, index) => {
      // States of several series would lie on one another.
      const aside = stepped
        ? (index - (lines.length - 1) / 2) * Math.min(3 * ratio, (perValue * 0.6) / lines.length)
        : 0;
      const place: Place = {
        x: (t) => bbox.left + (t - from) * perTime,
        y: (value) => bottom - (value - low) * perValue + aside,
      };
      const runs = runsOf(track, bin, own, stepped ? track.last : track.mean);
      const back = focus !== null && focus !== (of ?? track);
      ctx.strokeStyle = ctx.fillStyle = color;
      if (bands && !back && !of) {
        const area = new Path2D();
        band(area, track, runs, place, dot);
        ctx.globalAlpha = lines.length === 1 ? 0.22 : 0.14;
        ctx.fill(area);
      }
      const path = new Path2D();
      if (stepped) steps(path, track, runs, place, bin, to);
      else line(path, track, runs, place, dot);
      ctx.globalAlpha = (of || track.head.life !== 'live' ? 0.6 : 1) * (back ? 0.2 : 1);
      ctx.lineWidth = (focus === track ? 2.2 : lines.length > THIN ? 1 : 1.5) * ratio;
      ctx.setLineDash(dash.map((length) => length * ratio));
      ctx.stroke(path);
    });
    ctx.restore();
  }

  /** Gaps are hatched, with the reason where there is room for it. */
  #hatch(ctx: CanvasRenderingContext2D, bbox: uPlot.BBox, x: (t: number) => number): void {
    const { lines, gaps, window } = this.#content;
    if (gaps.length === 0) return;
    const shown = new Map<string, ChartGap>();
    for (const { track, of } of lines)
      for (const gap of of ? [] : gapsOf(track, gaps)) shown.set(`${gap.from} ${gap.to} ${gap.reason}`, gap);
    const ratio = uPlot.pxRatio;
    ctx.font = `${10 * ratio}px ${this.#look.font}`;
    ctx.textBaseline = 'top';
    ctx.textAlign = 'left';
    for (const gap of shown.values()) {
      const left = Math.max(bbox.left, x(gap.from));
      const right = Math.min(bbox.left + bbox.width, x(Math.min(endOf(gap), window[1])));
      if (right < left) continue;
      const width = Math.max(right - left, 2 * ratio);
      ctx.globalAlpha = 0.45;
      ctx.fillStyle = hatching(ctx, this.#look.hatch, ratio);
      ctx.fillRect(left, bbox.top, width, bbox.height);
      ctx.globalAlpha = 1;
      const text = clean(`gap: ${gap.reason}`);
      if (this.#small || ctx.measureText(text).width + 8 * ratio > width) continue;
      ctx.fillStyle = this.#look.text;
      ctx.fillText(text, left + 4 * ratio, bbox.top + 4 * ratio);
    }
  }
}

/** What the codes mean that are within the window, at most as many as an axis has room for. */
function codesOf(tracks: readonly Track[], from: number): Map<number, string> {
  const codes = new Map<number, string>();
  for (const track of tracks) {
    for (let i = track.t.length - 1; i >= 0 && codes.size < 24; i--) {
      const code = track.last[i]!;
      if (!Number.isNaN(code)) codes.set(code, codes.get(code) || track.text[i] || String(code));
      if (track.t[i]! < from) break;
    }
  }
  return codes;
}

function longest(texts: string[] | null): number {
  return (texts ?? []).reduce((most, text) => Math.max(most, text?.length ?? 0), 0);
}

function shortened(text: string): string {
  return text.length > 16 ? `${text.slice(0, 15)}…` : text;
}

/**
 * Makes a plot whose canvas is kept in memory and is part of the page's own layer. By default each canvas becomes a layer, and
 * where there are hundreds the browser is busy with layers: this way more than half as many charts again are painted a second
 * (`e2e/charts.bench.mjs`). uPlot asks for its context itself, and has no option for it.
 */
function inMemory<T>(make: () => T): T {
  const plain = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (
    this: HTMLCanvasElement,
    kind: string,
    options?: object,
  ) {
    return plain.call(this, kind, { ...options, willReadFrequently: true });
  } as typeof plain;
  try {
    return make();
  } finally {
    HTMLCanvasElement.prototype.getContext = plain;
  }
}

const patterns = new Map<string, CanvasPattern>();

/** Thin diagonal lines. */
function hatching(ctx: CanvasRenderingContext2D, color: string, ratio: number): CanvasPattern | string {
  const key = `${color} ${ratio}`;
  const known = patterns.get(key);
  if (known) return known;
  const size = Math.round(6 * ratio);
  const tile = document.createElement('canvas');
  tile.width = tile.height = size;
  const pen = tile.getContext('2d');
  if (!pen) return color;
  pen.strokeStyle = color;
  pen.lineWidth = ratio;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
  }
  pen.stroke();
  const pattern = ctx.createPattern(tile, 'repeat');
  if (pattern) patterns.set(key, pattern);
  return pattern ?? color;
}
