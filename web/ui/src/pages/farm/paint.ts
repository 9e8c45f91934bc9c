/** Paints the cells of the heat map. What is pointed at is marked by an element above: ten thousand cells are not painted for it. */
import type { Grid, Range } from './heat';
import { share } from './heat';

/** Cells of this size have room for a name. */
const NAMED = 54;

export interface Colors {
  /** From least to most. */
  scale: string[];
  /** What is not known is no colour of the scale. */
  silent: string;
  quiet: string;
  font: string;
  /** Is the ground light? Then the darker half of the scale is its end. */
  light: boolean;
}

export interface Painted {
  /** Clean text. */
  name: string;
  value: number | null;
  text: string;
}

/** `cell` is asked for each cell in order; its texts only where there is room for them. */
export function paint(
  canvas: HTMLCanvasElement,
  count: number,
  cell: (at: number, words: boolean) => Painted,
  grid: Grid,
  range: Range,
  colors: Colors,
): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [grid.columns * grid.size, Math.max(1, grid.rows * grid.size)];
  canvas.width = Math.round(w * ratio);
  canvas.height = Math.round(h * ratio);
  canvas.style.width = `${w}px`;
  canvas.style.height = `${h}px`;
  context.scale(ratio, ratio);
  const size = grid.size - (grid.size > 9 ? 2 : 1);
  const words = grid.size >= NAMED;
  context.font = `500 ${grid.size > 66 ? 12 : 11}px ${colors.font}`;
  context.strokeStyle = colors.silent;
  context.lineWidth = 1;
  const silent = new Path2D();
  for (let at = 0; at < count; at++) {
    const x = (at % grid.columns) * grid.size;
    const y = Math.floor(at / grid.columns) * grid.size;
    const one = cell(at, words);
    const part = one.value === null ? 0 : share(one.value, range);
    if (one.value === null) {
      silent.rect(x + 0.5, y + 0.5, size - 1, size - 1);
      silent.moveTo(x + 1, y + size - 1);
      silent.lineTo(x + size - 1, y + 1);
    } else {
      context.fillStyle = colors.scale[Math.round(part * (colors.scale.length - 1))] ?? colors.silent;
      context.fillRect(x, y, size, size);
    }
    if (!words) continue;
    context.fillStyle =
      one.value === null ? colors.quiet : part > 0.5 === colors.light ? '#fffdf8' : '#14201a';
    const letters = Math.floor((size - 10) / 7);
    const name = one.name.length > letters ? `${one.name.slice(0, letters - 1)}…` : one.name;
    context.fillText(name, x + 6, y + 16);
    context.fillText(one.text, x + 6, y + size - 8);
  }
  context.stroke(silent);
}
