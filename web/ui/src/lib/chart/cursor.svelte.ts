/** A cursor that several charts share: what one points at, all show. */
export class Cursor {
  /** Unix ms; null: nobody points. */
  t: number | null = $state(null);
}
