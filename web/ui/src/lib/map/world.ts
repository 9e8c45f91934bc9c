/** The world, drawn: land and borders come with the page as paths. Loaded only where a map is shown. */

import url from 'virtual:world';

/** What is drawn when the page is built. */
export interface Drawn {
  width: number;
  height: number;
  /** Of the projection, in its own units. */
  scale: number;
  /** Where longitude and latitude 0 stand. */
  middle: [x: number, y: number];
  sphere: string;
  land: string;
  borders: string;
  grid: string;
}

/** Where a place stands on the picture: the projection Natural Earth of Tom Patterson, as polynomials. */
export function project(
  of: Pick<Drawn, 'scale' | 'middle'>,
  lon: number,
  lat: number,
): [x: number, y: number] {
  const phi = (lat * Math.PI) / 180;
  const p2 = phi * phi;
  const p4 = p2 * p2;
  const x =
    ((lon * Math.PI) / 180) *
    (0.8707 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4)));
  const y = phi * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)));
  return [of.middle[0] + of.scale * x, of.middle[1] - of.scale * y];
}

async function load(): Promise<Drawn> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the map's data: ${response.status}`);
  return (await response.json()) as Drawn;
}

let promise: Promise<Drawn> | null = null;

export function world(): Promise<Drawn> {
  promise ??= load().catch((error: unknown) => {
    promise = null;
    throw error;
  });
  return promise;
}
