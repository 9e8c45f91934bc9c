/** Numbers as people read them: digits in groups, as many as say something. */

/** A narrow space that does not break: between thousands, and before units. */
export const NARROW = '\u202f';

/** Digits behind the point that show three to four significant digits. */
export function digitsFor(size: number): number {
  const at = Math.abs(size);
  if (at === 0 || !Number.isFinite(at)) return 0;
  if (at >= 100) return at >= 1000 || Number.isInteger(size) ? 0 : 1;
  if (at >= 10) return Number.isInteger(size) ? 0 : 1;
  if (at >= 1) return Number.isInteger(size) ? 0 : 2;
  // A hair under a power of ten is shown as that.
  if (at >= 0.9995) return 2;
  return Math.min(6, 1 - Math.floor(Math.log10(at * 1.0005)));
}

/** A number with thin spaces between thousands. */
export function grouped(value: number, digits: number): string {
  const fixed = Math.abs(value).toFixed(digits);
  const [whole = '0', part] = fixed.split('.');
  const spaced = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+(?!\d))/g, NARROW) : whole;
  const zero = Number(fixed) === 0;
  return (value < 0 && !zero ? '−' : '') + spaced + (part ? `.${part}` : '');
}
