/** The world, drawn: land and borders from data that comes with the page. Loaded only where a map is shown. */

import { geoGraticule, geoNaturalEarth1, geoPath, type GeoProjection } from 'd3-geo';
import { feature, mesh } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import countriesUrl from 'world-atlas/countries-110m.json?url';

export interface World {
  projection: GeoProjection;
  width: number;
  height: number;
  sphere: string;
  land: string;
  borders: string;
  grid: string;
}

/** Its own size: the SVG scales it. */
const WIDTH = 1000;

async function build(): Promise<World> {
  const response = await fetch(countriesUrl);
  if (!response.ok) throw new Error(`the map's data: ${response.status}`);
  const topology = (await response.json()) as Topology<{
    countries: GeometryCollection;
    land: GeometryCollection;
  }>;
  const projection = geoNaturalEarth1().precision(0.3);
  projection.fitWidth(WIDTH, { type: 'Sphere' });
  const rough = geoPath(projection).digits(1);
  const [[, top], [, bottom]] = rough.bounds({ type: 'Sphere' });
  const countries = topology.objects.countries;
  // Antarctica has no farms and takes a seventh of the picture.
  const shown: GeometryCollection = {
    ...countries,
    geometries: countries.geometries.filter((one) => one.id !== '010'),
  };
  return {
    projection,
    width: WIDTH,
    height: (bottom - top) * 0.86,
    sphere: rough({ type: 'Sphere' }) ?? '',
    land: rough(feature(topology, shown)) ?? '',
    borders: rough(mesh(topology, shown, (a, b) => a !== b)) ?? '',
    grid: rough(geoGraticule().step([30, 30])()) ?? '',
  };
}

let promise: Promise<World> | null = null;

export function world(): Promise<World> {
  promise ??= build().catch((error: unknown) => {
    promise = null;
    throw error;
  });
  return promise;
}
