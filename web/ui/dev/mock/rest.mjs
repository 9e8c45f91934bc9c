/** `/api/v1` of the made-up mesh: `(method, path, query, body, world, session) -> [status, answer]`. */

import { LOOKUPS, dice } from './world.mjs';
import { matching, seriesOf, tree, valueAt } from './series.mjs';
import { more } from './more.mjs';
import { full } from './views.mjs';

const refuse = (status, code, message) => [status, { error: { code, message } }];

function status(farm) {
  const roll = dice(farm.name.length * 7919 + farm.name.charCodeAt(0));
  const now = Date.now();
  const target = (node, bad) => ({
    node,
    address: node.startsWith('sw') ? `10.1.0.${node.at(-1)}:161` : node,
    up: bad ? false : true,
    lateness_ms: Math.round(roll() * (bad ? 900 : 12)),
    duration_ms: bad ? 8_000 : Math.round(2 + roll() * 40),
    samples: bad ? 0 : 177,
    last_error: bad ? 'timed out after 8 s: no answer from 10.1.0.3:161 (3 attempts)' : null,
    last_error_time: bad ? now - 42_000 : null,
    last_success_time: bad ? now - 5_460_000 : now - Math.round(roll() * 9_000),
    probation: bad,
  });
  const hosts = farm.name === 'big-10k' ? 10_000 : 24;
  return {
    id: farm.id,
    farm: farm.name,
    version: farm.version,
    epoch: '14.7ad5bb923b934ee6',
    number: 48_112_671,
    committed: 48_112_666,
    uptime_ms: now - farm.since,
    series: [...seriesOf(farm.name)].length,
    subscribers: 3,
    collectors: [
      {
        name: 'host',
        module: 'host',
        cluster: 'hosts',
        period_ms: 10_000,
        runs: 81_334,
        skipped: 0,
        timeouts: 0,
        targets: [target('n1', false)],
      },
      {
        name: 'workers',
        module: 'script',
        cluster: 'hosts',
        period_ms: 60_000,
        runs: 13_555,
        skipped: 2,
        timeouts: 1,
        targets: Array.from({ length: Math.min(hosts - 1, 60) }, (_, at) => target(`n${at + 2}`, false)),
      },
      {
        name: 'switches',
        module: 'snmp',
        cluster: 'net',
        period_ms: 60_000,
        runs: 13_551,
        skipped: 4,
        timeouts: 88,
        targets: ['sw-a1', 'sw-a2', 'sw-a3', 'sw-a4'].map((node) => target(node, node === 'sw-a3')),
      },
      {
        name: 'room',
        module: 'script',
        cluster: 'room',
        period_ms: 30_000,
        runs: 27_110,
        skipped: 0,
        timeouts: 0,
        targets: [target('door', false)],
      },
    ],
    cache: {
      bytes: 3.2 * 2 ** 30,
      max_bytes: 10 * 2 ** 30,
      max_age_ms: 31 * 8.64e7,
      oldest: now - 29 * 8.64e7,
      days: 31,
      problem: null,
    },
    edges: [
      {
        name: 'source to hub',
        samples: 48_112_700,
        passed: 48_112_671,
        held: 0,
        conflated: 0,
        lost: { time_range: 25, duplicate: 4 },
      },
      { name: 'hub to cache', samples: 48_112_671, passed: 48_112_666, held: 5, conflated: 0, lost: {} },
      { name: 'hub to streams', samples: 912_004, passed: 911_870, held: 0, conflated: 134, lost: {} },
    ],
    lookups: LOOKUPS.map((lookup) => ({
      url: lookup.url,
      registered: true,
      lease_remaining_ms: Math.round(20_000 + roll() * 39_000),
      last_error: null,
    })),
    config_error:
      farm.name === 'lyon-1'
        ? 'farm.toml:31: collectors.switches.period: expected a duration as "30s", found 30'
        : null,
    filters: [
      ['disk-full', 'running'],
      ['load-mean', 'running'],
      ['flaps', farm.name.endsWith('3') ? 'quarantined' : 'running'],
    ].map(([name, state], at) => ({
      name,
      serial: 3,
      state,
      ...(state === 'quarantined' ? { reason: 'trapped: out of memory (4 MiB) at batch 48,110,022' } : {}),
      running_serial: 3,
      since: now - 4e6 - at * 1e6,
      cost: {
        cpu_us: 61_000_000 + at * 4e6,
        memory_bytes: 1_310_720,
        state_bytes: 4_096 * (at + 1),
        samples_in: 912_004 + at,
        samples_out: 420 * at,
        samples_refused: 0,
        behind: 0,
        lateness_ms: 2 + at,
        restarts: at === 2 ? 3 : 0,
        missed: 0,
        log_lines_dropped: 0,
      },
    })),
  };
}

function why(world, farm, id) {
  const alarm = [...world.alarms.values()].find((one) => one.farm === farm && one.id === id);
  if (!alarm)
    return refuse(
      404,
      'no_such_alarm',
      `farm ${farm} has no alarm ${id}: it may have been cleared and forgotten`,
    );
  const head = { path: alarm.paths[0], unit: alarm.unit ?? null, kind: 'gauge', parameter: 'x' };
  return [
    200,
    {
      alarm,
      filter: alarm.deployment || null,
      filter_version: '0.1.0',
      parameters: { above: 0.9, severity: alarm.level, on: ['*/hosts/*/disk_used'] },
      steps: [
        {
          time: alarm.since,
          from: '',
          to: alarm.level_before ?? alarm.level,
          text: alarm.text,
          value: alarm.value,
        },
        ...(alarm.unknown_because
          ? [{ time: alarm.changed, from: alarm.level_before, to: 'unknown', text: alarm.unknown_because }]
          : []),
      ],
      samples: Array.from({ length: 10 }, (_, at) => ({
        path: alarm.paths[0],
        unit: alarm.unit ?? null,
        time: Date.now() - (9 - at) * 10_000,
        value: valueAt(head, Date.now() - at * 10_000),
      })),
    },
  ];
}

function change(method, parts, body, world) {
  if (parts[0] === 'alarms' && method === 'POST') {
    const alarm = [...world.alarms.values()].find((one) => one.farm === parts[1] && one.id === parts[2]);
    if (!alarm) return refuse(404, 'no_such_alarm', `farm ${parts[1]} has no alarm ${parts[2]}`);
    if (parts[3] === 'acknowledge')
      world.change(alarm, {
        acknowledged: { by: 'you', comment: body.comment ?? '', at: Date.now(), until: body.until },
      });
    else if (parts[3] === 'unacknowledge') world.change(alarm, { acknowledged: null });
    else if (parts[3] === 'close') {
      if (alarm.level !== 'unknown')
        return refuse(
          409,
          'filter_speaks',
          `alarm ${parts[2].slice(0, 8)} of ${alarm.deployment}: its filter says when it is over; only what is unknown can be closed`,
        );
      world.clear(alarm);
    }
    return [200, {}];
  }
  if (parts[0] === 'silences') {
    if (method === 'POST')
      world.silences = [
        ...world.silences,
        {
          id: world.silences.length + 2,
          farm: body.farm ?? body.path?.split('/')[0] ?? '*',
          by: 'you',
          since: Date.now(),
          ...body,
        },
      ];
    else
      world.silences = world.silences.filter(
        (one) => !(one.farm === parts[1] && String(one.id) === parts[2]),
      );
    world.tell({ silences: true });
    return [200, {}];
  }
  return refuse(404, 'no_such_path', `${method} /api/v1/${parts.join('/')}: there is no such path`);
}

export function answer(method, path, query, body, world, session) {
  const parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  const other = more(method, parts, query, body, world, session);
  if (other) return other;
  if (method !== 'GET' && session !== 'changer')
    return refuse(
      401,
      'no_session',
      'this takes the session of the server: open the link that `hedgerow up` shows in its terminal',
    );
  if (method !== 'GET') return change(method, parts, body, world);
  const farm = parts[1] !== undefined ? world.named(parts[1]) : undefined;
  switch (parts[0]) {
    case 'mesh':
      return [
        200,
        {
          mesh: { name: 'meadow', id: '5f1d0c2a9be84f7e8d7c6b5a49382716' },
          version: '0.7.0',
          now: Date.now(),
          session,
          lookups: { asked: 2, answered: 2, missing: [] },
        },
      ];
    case 'farms':
      if (parts.length === 1) return [200, { farms: [...world.farms.values()], coverage: full(world) }];
      if (!farm) return refuse(404, 'no_such_farm', `no farm ${parts[1]} is registered`);
      if (farm.name === 'lyon-2')
        return refuse(
          502,
          'unreachable',
          `farm ${farm.name} at ${farm.endpoints[0]} did not answer: connection refused`,
        );
      return [200, status(farm)];
    case 'tree': {
      const of = world.named(query.get('farm'));
      if (!of) return refuse(404, 'no_such_farm', `no farm ${query.get('farm')} is registered`);
      return [
        200,
        {
          level: 'cluster',
          children: tree(of.name, query.get('cluster') ?? undefined, query.get('node') ?? undefined),
          more: false,
          coverage: full(world),
        },
      ];
    }
    case 'series': {
      const { found, more } = matching(
        world,
        query.get('predicate') ?? '*',
        Number(query.get('limit') ?? 1000),
      );
      return [
        200,
        {
          series: found.map((head) => ({ ...head, time: Date.now(), value: valueAt(head, Date.now()) })),
          more: more > 0,
          coverage: full(world),
        },
      ];
    }
    case 'alarms':
      if (parts.length === 3) return why(world, parts[1], parts[2]);
      return [200, { alarms: [...world.alarms.values()], coverage: full(world) }];
    default:
      return refuse(404, 'no_such_path', `/api/v1/${parts.join('/')}: there is no such path`);
  }
}
