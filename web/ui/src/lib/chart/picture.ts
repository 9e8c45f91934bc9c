/** A chart as a PNG: what is on the canvas, under its title and above its legend, on the theme's ground. */
import type { Look } from './plot';

export interface PictureText {
  title: string;
  note: string;
  legend: { color: string; text: string }[];
}

/** Legends longer than this are cut, and say so. */
const MOST = 40;

/** Draws it. Texts have to be clean already. */
export async function picture(
  canvases: HTMLCanvasElement[],
  text: PictureText,
  look: Look,
): Promise<Blob | null> {
  const ratio = devicePixelRatio || 1;
  const [pad, row] = [16 * ratio, 18 * ratio];
  const width = Math.max(...canvases.map((canvas) => canvas.width), 320 * ratio) + 2 * pad;
  const legend = text.legend.slice(0, MOST);
  if (text.legend.length > MOST)
    legend.push({ color: 'transparent', text: `and ${text.legend.length - MOST} more` });
  const columns = Math.max(1, Math.floor(width / (340 * ratio)));
  const rows = Math.ceil(legend.length / columns);
  const plots = canvases.reduce((sum, canvas) => sum + canvas.height + row / 2, 0);
  const sheet = document.createElement('canvas');
  sheet.width = width;
  sheet.height = 3.4 * row + plots + rows * row + pad;
  const pen = sheet.getContext('2d');
  if (!pen) return null;
  pen.fillStyle = look.surface;
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.textBaseline = 'middle';
  pen.fillStyle = look.ink;
  pen.font = `600 ${14 * ratio}px ${look.font}`;
  pen.fillText(text.title, pad, row, width - 2 * pad);
  pen.fillStyle = look.text;
  pen.font = `${11 * ratio}px ${look.font}`;
  pen.fillText(text.note, pad, 2.1 * row, width - 2 * pad);
  let y = 3 * row;
  for (const canvas of canvases) {
    pen.drawImage(canvas, pad, y);
    y += canvas.height + row / 2;
  }
  legend.forEach((entry, index) => {
    const x = pad + (index % columns) * ((width - 2 * pad) / columns);
    const at = y + (Math.floor(index / columns) + 0.5) * row;
    pen.fillStyle = entry.color;
    pen.fillRect(x, at - 1.5 * ratio, 14 * ratio, 3 * ratio);
    pen.fillStyle = look.ink;
    pen.fillText(entry.text, x + 20 * ratio, at, (width - 2 * pad) / columns - 28 * ratio);
  });
  return new Promise((done) => sheet.toBlob(done, 'image/png'));
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
