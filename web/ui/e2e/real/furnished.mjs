/** The mesh of the tests: a host, a farm to be killed, one whose every name means harm, and an alarm that is open. */

import { writeFileSync } from 'node:fs';
import { RealMesh, replace, until } from './mesh.mjs';

export const HARM = '<img src=x onerror=alert(1)>';
/** A mark that turns the reading direction, and one that hides. */
export const TURNED = 'evil\u202egnp.exe\u200b';
export const EVIL = `${HARM}${TURNED}`;

const text = (value) => JSON.stringify(value);

const head = (name, city, lat, lon, more = '') => `
[farm]
name = ${text(name)}
groups = ["fields"]
${more}
[farm.attributes]
city = ${text(city)}
lat = ${lat}
lon = ${lon}
[lookup]
lease = "10s"
mdns = false
`;

/** A gauge that is what a file says, and one that is never the same twice. */
const collectors = (file) => `
[collector.level]
module = "script"
format = "keyvalue"
period = "200ms"
command = ["/bin/cat", ${text(file)}]
[collector.clock]
module = "script"
format = "keyvalue"
period = "200ms"
command = ["/bin/date", "+tick %s.%N s"]
`;

// Says what the gauge `fill` of a farm is from now on.
export function fill(mesh, farm, value) {
  replace(mesh.path(`${farm}.fill`), `fill ${value} 1\n`);
}

export async function start() {
  const mesh = await RealMesh.start({
    farm: (mesh) => {
      for (const farm of ['geneva', 'lisbon']) fill(mesh, farm, 0.5);
      const hosts = '[collector.hosts]\nmodule = "host"\nperiod = "1s"\n';
      return head('geneva', 'Geneva', 46.2, 6.1) + hosts + collectors(mesh.path('geneva.fill'));
    },
  });
  writeFileSync(
    mesh.path('evil.json'),
    text({
      samples: [
        { parameter: HARM, value: 1, node: TURNED },
        { parameter: 'said', value: `${HARM}${TURNED}`, node: HARM },
        { parameter: 'state', value: 2, kind: 'state', text: HARM, node: HARM, labels: { l: TURNED } },
      ],
    }),
  );
  await Promise.all([
    mesh.farm('lisbon', head('lisbon', 'Lisbon', 38.7, -9.1) + collectors(mesh.path('lisbon.fill'))),
    mesh.farm(
      'evil',
      `${head(EVIL, HARM, 1, 1, `description = ${text(EVIL)}`)}
[collector.${text(HARM)}]
module = "script"
format = "json"
period = "1s"
command = ["/bin/cat", ${text(mesh.path('evil.json'))}]
`,
    ),
  ]);
  await until(
    'three farms',
    async () => (await mesh.get('/api/v1/farms?template=kind%3Dfarm')).farms.length === 3,
  );
  await mesh.done(
    ...['filter', 'deploy', 'threshold-alarm', '--as', 'too-full', '--set', 'above=0.9'],
    ...['--on', '*/level/*/fill', '--to', 'name=geneva', '--grant', 'alarms', '--wait', '20s'],
  );
  fill(mesh, 'geneva', 0.97);
  await until('the alarm', async () => {
    const { alarms } = await mesh.get('/api/v1/alarms');
    return alarms.some((alarm) => alarm.deployment === 'too-full');
  });
  return mesh;
}
