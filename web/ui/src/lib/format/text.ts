/**
 * Text that came from the mesh, made safe to look at: control characters and marks that turn the reading direction are spelled
 * out, as the command does. It never makes HTML: what it gives is shown as a text node.
 */

/** Controls, separators of lines and paragraphs, marks that hide or turn, tags, and halves of characters. */
const HARMFUL =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu;

/** More of a text than this is cut, with an ellipsis. */
export const LONGEST = 4_096;

export interface Piece {
  text: string;
  /** It stands for a character that cannot be shown. */
  escape: boolean;
}

function escaped(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\t') return '\\t';
  if (character === '\r') return '\\r';
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** The text in pieces, escapes apart, so that they can be marked. */
export function pieces(text: string): Piece[] {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  const found: Piece[] = [];
  let from = 0;
  for (const match of cut.matchAll(HARMFUL)) {
    if (match.index > from) found.push({ text: cut.slice(from, match.index), escape: false });
    found.push({ text: escaped(match[0]), escape: true });
    from = match.index + match[0].length;
  }
  if (from < cut.length) found.push({ text: cut.slice(from), escape: false });
  return found;
}

/** The same as one string: for titles, labels, files. */
export function clean(text: string | null | undefined): string {
  if (!text) return '';
  return pieces(text)
    .map((piece) => piece.text)
    .join('');
}
