/** Charts as a PNG: painted anew for it, whether they are on the screen or not, in rows under a title and above a legend. */
import type { Content, Look } from './plot';
import { Plot } from './plot';

export interface Tile {
  /** Clean text; empty: none. */
  title: string;
  content: Content;
}

export interface Sheet {
  title: string;
  note: string;
  tiles: Tile[];
  columns: number;
  /** Of a chart, CSS pixels. */
  width: number;
  height: number;
  legend: { color: string; text: string }[];
}

/** Legends longer than this are cut, and say so. */
const MOST = 40;
/** Browsers refuse canvases that are much higher; charts that have no room are left out, and the note says so. */
const TALLEST = 16_000;

/** Draws it. Texts have to be clean already. */
export async function picture(sheet: Sheet, look: Look): Promise<Blob | null> {
  const ratio = devicePixelRatio || 1;
  const [pad, row] = [16 * ratio, 18 * ratio];
  const [width, height] = [sheet.width * ratio, sheet.height * ratio];
  const titled = sheet.tiles.some(({ title }) => title) ? row : 0;
  const each = height + titled + row / 2;
  const fitting = Math.max(1, Math.floor((TALLEST - 8 * row) / each)) * sheet.columns;
  const tiles = sheet.tiles.slice(0, fitting);
  const columns = Math.max(1, Math.min(sheet.columns, tiles.length));
  const legend = sheet.legend.slice(0, MOST);
  if (sheet.legend.length > MOST)
    legend.push({ color: 'transparent', text: `and ${sheet.legend.length - MOST} more` });
  const canvas = document.createElement('canvas');
  canvas.width = columns * width + (columns + 1) * pad;
  const legends = Math.max(1, Math.floor(canvas.width / (340 * ratio)));
  const head = 3 * row;
  const charts = Math.ceil(tiles.length / columns) * each;
  canvas.height = head + charts + Math.ceil(legend.length / legends) * row + pad;
  const pen = canvas.getContext('2d');
  if (!pen || tiles.length === 0) return null;
  const inner = canvas.width - 2 * pad;
  const write = (text: string, x: number, y: number, most: number, color: string, font: string) => {
    pen.fillStyle = color;
    pen.font = font;
    pen.fillText(text, x, y, most);
  };
  const plain = `${11 * ratio}px ${look.font}`;
  pen.fillStyle = look.surface;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.textBaseline = 'middle';
  write(sheet.title, pad, row, inner, look.ink, `600 ${14 * ratio}px ${look.font}`);
  const left = sheet.tiles.length - tiles.length;
  const note =
    left > 0 ? `${sheet.note} · the first ${tiles.length} of ${sheet.tiles.length} charts` : sheet.note;
  write(note, pad, 2.1 * row, inner, look.text, plain);
  for (const [index, { title, content }] of tiles.entries()) {
    const x = pad + (index % columns) * (width + pad);
    const y = head + Math.floor(index / columns) * each;
    if (title) write(title, x, y + row / 2, width, look.ink, `600 ${11 * ratio}px ${look.font}`);
    const { canvas: chart, done } = await painted(content, sheet, look);
    pen.drawImage(chart, x, y + titled);
    done();
  }
  legend.forEach((entry, index) => {
    const x = pad + (index % legends) * (inner / legends);
    const y = head + charts + (Math.floor(index / legends) + 0.5) * row;
    pen.fillStyle = entry.color;
    pen.fillRect(x, y - 1.5 * ratio, 14 * ratio, 3 * ratio);
    write(entry.text, x + 20 * ratio, y, inner / legends - 28 * ratio, look.ink, plain);
  });
  return new Promise((made) => canvas.toBlob(made, 'image/png'));
}

/** A chart that never was on the page. */
async function painted(content: Content, { width, height }: Sheet, look: Look) {
  const nothing = () => {};
  const told = { cursor: nothing, range: nothing, back: nothing };
  const size = { width, height, small: width < 600 };
  const plot = new Plot(document.createElement('div'), size, content, look, told);
  // It paints once nothing else is to be done; and the page stays awake between two of five hundred.
  await new Promise((later) => setTimeout(later));
  return { canvas: plot.canvas, done: () => plot.destroy() };
}

/** Gives a file to the viewer. */
export function give(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
