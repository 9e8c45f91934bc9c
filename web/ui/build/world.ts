/**
 * The world, drawn when the page is built: land and borders as paths, so that no browser has to work them out, nor to load what
 * works them out. The page imports the address of the result as `virtual:world`.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { geoGraticule, geoNaturalEarth1, geoPath } from 'd3-geo';
import { merge, mesh } from 'topojson-client';
import type { GeometryCollection, MultiPolygon, Polygon, Topology } from 'topojson-specification';
import type { Plugin } from 'vite';
import type { Drawn } from '../src/lib/map/world';

/** Its own size: the SVG scales it. */
const WIDTH = 1000;
const ID = 'virtual:world';
const IN_DEVELOPMENT = '/@world.json';

/** World Atlas (public domain, from Natural Earth) in the projection Natural Earth. */
export function drawn(): Drawn {
  const path = createRequire(import.meta.url).resolve('world-atlas/countries-110m.json');
  const topology = JSON.parse(readFileSync(path, 'utf8')) as Topology<{ countries: GeometryCollection }>;
  const projection = geoNaturalEarth1().precision(0.3);
  projection.fitWidth(WIDTH, { type: 'Sphere' });
  const rough = geoPath(projection).digits(1);
  const [[, top], [, bottom]] = rough.bounds({ type: 'Sphere' });
  const { countries } = topology.objects;
  // Antarctica has no farms and takes a seventh of the picture.
  const geometries = countries.geometries.filter((one) => one.id !== '010');
  const shown: GeometryCollection = { ...countries, geometries };
  return {
    width: WIDTH,
    height: Math.round((bottom - top) * 0.86),
    scale: projection.scale(),
    middle: projection.translate(),
    sphere: short(rough({ type: 'Sphere' })),
    land: short(rough(merge(topology, geometries as (Polygon | MultiPolygon)[]))),
    borders: short(rough(mesh(topology, shown, (a, b) => a !== b))),
    grid: short(rough(geoGraticule().step([30, 30])())),
  };
}

/** The same path by steps from point to point, counted in tenths so that nothing adds up: half as long. */
function short(path: string | null): string {
  let [x, y] = [0, 0];
  return (path ?? '').replace(/([ML])([-\d.]+),([-\d.]+)/g, (_, what: string, px: string, py: string) => {
    const [nx, ny] = [Math.round(Number(px) * 10), Math.round(Number(py) * 10)];
    const [dx, dy] = what === 'M' ? [nx, ny] : [nx - x, ny - y];
    [x, y] = [nx, ny];
    const to = `${dx / 10},${dy / 10}`.replace(/\b0\./g, '.');
    return what === 'M' ? `M${to}` : `l${to}`;
  });
}

export function world(): Plugin {
  let build = false;
  return {
    name: 'world',
    configResolved: (config) => void (build = config.command === 'build'),
    resolveId: (id) => (id === ID ? `\0${ID}` : null),
    load(id) {
      if (id !== `\0${ID}`) return null;
      if (!build) return `export default ${JSON.stringify(IN_DEVELOPMENT)}`;
      const file = this.emitFile({ type: 'asset', name: 'world.json', source: JSON.stringify(drawn()) });
      return `export default import.meta.ROLLUP_FILE_URL_${file}`;
    },
    configureServer: (server) =>
      void server.middlewares.use(IN_DEVELOPMENT, (_request, response) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(drawn()));
      }),
  };
}
