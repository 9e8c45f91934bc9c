/** The mesh of the pictures: sites around the world whose hosts have an hour of history, filters, alarms, and a farm that is lost. */

import { fileURLToPath } from 'node:url';
import { RealMesh, until } from './mesh.mjs';

/** Name, city, country, place, groups, nodes, how busy, how full the disks are. */
const SITES = [
  ['cern-t0', 'Geneva', 'CH', 46.23, 6.05, ['alice', 'atlas'], 22, 0.62, 0.6],
  ['bologna-t1', 'Bologna', 'IT', 44.5, 11.34, ['alice', 'cms'], 16, 0.5, 0.82],
  ['lyon-t1', 'Lyon', 'FR', 45.76, 4.84, ['alice'], 12, 0.41, 0.55],
  ['amsterdam', 'Amsterdam', 'NL', 52.36, 4.95, ['atlas'], 12, 0.35, 0.5],
  ['chicago', 'Chicago', 'US', 41.88, -87.63, ['atlas', 'cms'], 16, 0.74, 0.6],
  ['tokyo', 'Tokyo', 'JP', 35.68, 139.69, ['atlas'], 12, 0.46, 0.66],
  ['sao-paulo', 'São Paulo', 'BR', -23.55, -46.63, ['cms'], 8, 0.3, 0.45],
  ['cape-town', 'Cape Town', 'ZA', -33.92, 18.42, ['alice'], 8, 0.38, 0.5],
];
/** The one that is lost. */
const LOST = 'sao-paulo';
/** Of an hour of all hosts. */
const SITE = fileURLToPath(new URL('site.mjs', import.meta.url));

function configuration(mesh, [name, city, country, lat, lon, groups, nodes, busy, disk]) {
  const words = [
    process.execPath,
    SITE,
    name,
    String(nodes),
    mesh.path(`${name}.begun`),
    String(busy),
    String(disk),
  ];
  return `
[farm]
name = ${JSON.stringify(name)}
groups = ${JSON.stringify(groups)}
[farm.attributes]
city = ${JSON.stringify(city)}
country = ${JSON.stringify(country)}
lat = ${lat}
lon = ${lon}
[lookup]
lease = "10s"
mdns = false
[collector.hosts]
module = "script"
format = "json"
period = "10s"
max_output = "16MiB"
targets = ["n01"]
command = ${JSON.stringify(words)}
`;
}

/** Starts it, and waits until there is something to see on every page. */
export async function start() {
  const [first, ...others] = SITES;
  const mesh = await RealMesh.start({ farm: (mesh) => configuration(mesh, first) });
  await Promise.all(others.map((site) => mesh.farm(site[0], configuration(mesh, site))));
  const farms = async () => (await mesh.get('/api/v1/farms?template=kind%3Dfarm')).farms.length;
  await until('all farms', async () => (await farms()) === SITES.length);
  const deploy = (filter, name, grants, ...words) =>
    mesh.done(
      ...['filter', 'deploy', filter, '--as', name, '--wait', '20s', ...words],
      ...grants.flatMap((grant) => ['--grant', grant]),
    );
  const on = (pattern) => ['--on', pattern];
  await deploy(
    'threshold-alarm',
    'disk-full',
    ['alarms'],
    '--set',
    'above=0.93',
    '--set',
    'severity=critical',
    ...on('*/hosts/*/disk_used'),
  );
  await deploy(
    'threshold-alarm',
    'busy',
    ['alarms'],
    '--set',
    'above=0.97',
    '--set',
    'hold=20s',
    ...on('*/hosts/*/cpu_busy'),
    '--to',
    'group=atlas',
  );
  await deploy(
    'load',
    'site-load',
    [],
    '--set',
    'every=15s',
    '--set',
    'histogram=0.25,0.5,0.75,1',
    ...on('*/hosts/*/cpu_busy'),
  );
  await deploy('quantile', 'site-quantiles', [], ...on('*/hosts/*/memory_used'), '--to', 'group=alice');
  await mesh.end(LOST);
  await until('a lost farm', async () => (await farms()) === SITES.length - 1);
  await until('alarms of both levels', async () => {
    const { alarms } = await mesh.get('/api/v1/alarms');
    return ['critical', 'warning'].every((level) =>
      alarms.some((alarm) => alarm.level === level && alarm.deployment),
    );
  });
  return mesh;
}
