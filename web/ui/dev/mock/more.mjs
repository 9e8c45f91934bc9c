/** The rest of `/api/v1` of the made-up mesh: completion, CSV, filters, saved views. `null`: not one of these paths. */

import { createHash } from 'node:crypto';
import { matching, valueAt } from './series.mjs';
import { full, template } from './views.mjs';
import { idOf } from './world.mjs';

const refuse = (status, code, message) => [status, { error: { code, message } }];

// ---- Completion ----

const KINDS = ['farm', 'cluster', 'node', 'parameter'];

function complete(text, world) {
  const word = /(?:\\.|[^\s\\])*$/.exec(text)[0];
  const before = text.slice(0, text.length - word.length);
  const parts = word.split('/');
  const at = Math.min(parts.length - 1, 3);
  const begun = parts.slice(at).join('/');
  if (/[()]/.test(word))
    return {
      candidates: [],
      problem: {
        at: text.search(/[()]/),
        message: `at byte ${text.search(/[()]/)}: \`(\`; expected a name or a pattern, such as \`*\``,
      },
    };
  const tally = new Map();
  if (at === 0) for (const farm of world.farms.values()) tally.set(farm.name, undefined);
  else {
    const { found } = matching(world, `${parts.slice(0, at).join('/')}/*`, 4_000);
    for (const head of found) {
      const name = at === 3 ? head.path.split('/').slice(3).join('/') : head[KINDS[at]];
      tally.set(name, (tally.get(name) ?? 0) + 1);
    }
  }
  const candidates = [...tally]
    .filter(([name]) => name.startsWith(begun))
    .slice(0, 40)
    .map(([label, count]) => ({
      text: before + [...parts.slice(0, at), label].join('/') + (at < 3 ? '/' : ''),
      label,
      kind: KINDS[at],
      count,
    }));
  if (at === 0 && '*'.startsWith(begun))
    candidates.unshift({ text: `${before}*/`, label: '*', kind: 'farm' });
  return { candidates };
}

// ---- Query ----

function csv(query, world) {
  const { found } = matching(world, query, 200);
  const now = Date.now();
  const cell = (value) =>
    /[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  const lines = ['farm,cluster,node,parameter,labels,unit,time,value'];
  for (const head of found)
    for (let t = now - 60_000; t < now; t += 10_000)
      lines.push(
        [
          head.farm,
          head.cluster,
          head.node,
          head.parameter,
          JSON.stringify(head.labels ?? {}),
          head.unit ?? '',
          new Date(t).toISOString(),
          valueAt(head, t),
        ]
          .map(cell)
          .join(','),
      );
  return lines.join('\r\n') + '\r\n';
}

// ---- Filters ----

const ON = (texts) => ({
  type: 'array',
  items: { type: 'string' },
  description: 'Which series: patterns.',
  default: texts,
});
const DURATION = (description, more) => ({
  type: 'string',
  format: 'hedgerow-duration',
  description,
  default: more,
});
const FILTERS = {
  threshold: [
    'Whether values are past a bound',
    [],
    {
      on: ON(['*/hosts/*/disk_used']),
      above: { type: 'number', description: 'Past it is more than this.' },
      below: { type: 'number', description: 'Past it is less than this.' },
      hysteresis: {
        type: 'number',
        minimum: 0,
        description: 'It is over only when the value is back within the bound by this much.',
        default: 0,
      },
      hold: DURATION('How long the value has to be past the bound.', '0s'),
    },
    [],
  ],
  'threshold-alarm': [
    'Raises an alarm where values are past a bound',
    ['alarms'],
    {
      on: ON(['*/hosts/*/disk_used']),
      above: { type: 'number', description: 'Past it is more than this.' },
      below: { type: 'number', description: 'Past it is less than this.' },
      hysteresis: {
        type: 'number',
        minimum: 0,
        description: 'It is over only when the value is back within the bound by this much.',
        default: 0,
      },
      hold: DURATION('How long the value has to be past the bound.', '0s'),
      severity: {
        type: 'string',
        enum: ['info', 'warning', 'critical'],
        description: 'The level of the alarm.',
        default: 'warning',
      },
      runbook: { type: 'string', description: 'Where it says what to do.' },
    },
    [],
  ],
  load: [
    'Means, extremes and the highest of each cluster',
    [],
    {
      on: ON(['*/hosts/*/cpu_busy', '*/hosts/*/load1']),
      by: {
        type: 'string',
        enum: ['cluster', 'all'],
        description: 'What is taken together.',
        default: 'cluster',
      },
      every: DURATION('How often.', '30s'),
      histogram: {
        type: 'array',
        items: { type: 'number' },
        description: 'Upper bounds of the bars, rising.',
        default: [],
      },
      top: {
        type: 'integer',
        minimum: 0,
        maximum: 20,
        description: 'How many of the highest are named.',
        default: 3,
      },
    },
    [],
  ],
  expr: [
    'An expression over what came within a window',
    [],
    {
      on: ON(['*/hosts/*/*']),
      expr: { type: 'string', description: 'What to compute.' },
      by: { type: 'string', description: 'What is computed together.', default: 'node' },
      window: DURATION('Over how long, and how often.', '1m'),
      strict: {
        type: 'boolean',
        description: 'Nothing is emitted where something is missing.',
        default: true,
      },
    },
    ['expr'],
  ],
};

const COSTS = (at) => ({
  cpu_us: 48_000 + at * 9_000,
  memory_bytes: 1_400_000 + at * 65_536,
  state_bytes: 12_000,
  samples_in: 1_770_000 + at,
  samples_out: 4_200 * at,
  samples_refused: 0,
  behind: at % 7 === 6 ? 48_112 : 0,
  lateness_ms: at % 7 === 6 ? 5_400 : 3,
  restarts: at % 11 === 10 ? 3 : 0,
  missed: 0,
  log_lines_dropped: 0,
});

function deployments(world) {
  if (world.deployments) return world.deployments;
  const of = (name, component, more) => ({
    name,
    owner: createHash('sha256').update('ann').digest('hex'),
    serial: 3,
    component: createHash('sha256').update(component).digest('hex'),
    component_name: component,
    component_version: '0.1.0',
    to: '',
    grants: [],
    farms: at(world, more.to ?? ''),
    ...more,
  });
  world.deployments = new Map([
    [
      'disk-full',
      of('disk-full', 'threshold-alarm', {
        grants: ['alarms'],
        parameters: { above: 0.9, on: ['*/hosts/*/disk_used'], severity: 'critical' },
        description: 'Tells before the disks are full',
      }),
    ],
    ['load-mean', of('load-mean', 'load', { parameters: { every: '5m', top: 5 }, to: 'group=alice' })],
    [
      'flaps',
      of('flaps', 'flap-alarm', {
        grants: ['alarms'],
        parameters: { window: '10m', start: 6 },
        until: Date.now() + 6e8,
        to: 'group=network',
      }),
    ],
  ]);
  return world.deployments;
}

function at(world, text, fresh = false) {
  return [...world.farms.values()]
    .filter(template(text))
    .slice(0, 60)
    .map((farm, index) => {
      const bad = !fresh && index % 11 === 10;
      const away = farm.name === 'lyon-2';
      return {
        farm: farm.name,
        id: farm.id,
        state: away
          ? 'absent'
          : fresh
            ? 'admitted'
            : bad
              ? 'quarantined'
              : index === 5
                ? 'refused'
                : 'running',
        ...(away
          ? { reason: 'connection refused' }
          : bad
            ? { reason: 'trapped: out of memory (4 MiB) at batch 48,110,022' }
            : !fresh && index === 5
              ? { reason: 'alarms are not to be granted here: filters.grant' }
              : {}),
        running_serial: 3,
        since: Date.now() - (fresh ? 0 : 4e6 + index * 1e5),
        ...(away ? {} : { cost: COSTS(index) }),
      };
    });
}

function list(world) {
  for (const one of deployments(world).values())
    if (one.fresh && Date.now() - one.fresh > 1_500)
      for (const farm of one.farms) if (farm.state === 'admitted') farm.state = 'running';
  return {
    deployments: [...deployments(world).values()],
    shipped: Object.entries(FILTERS).map(([name, [description]]) => ({ name, description, bytes: 41_000 })),
    coverage: full(world),
  };
}

function describe(body, world) {
  const upload = world.uploads?.get(body.component);
  const [description, wants, properties, required] = FILTERS[body.component] ?? upload ?? [];
  if (!properties)
    return refuse(
      404,
      'no_such_component',
      `there is no shipped filter or uploaded component ${body.component}`,
    );
  const given = body.parameters ?? {};
  const unknown = Object.keys(given).find((key) => !(key in properties));
  if (unknown)
    return refuse(
      422,
      'parameters',
      `${unknown}: there is no such parameter; expected one of ${Object.keys(properties).join(', ')}`,
    );
  if (required.includes('above') && given.above === undefined)
    return refuse(422, 'refused_parameters', 'the parameter `above` is missing: The bound.');
  if (
    'above' in properties &&
    given.above === undefined &&
    given.below === undefined &&
    Object.keys(given).length > 0
  )
    return refuse(422, 'parameters', 'above or below has to be given');
  if ('expr' in properties && Object.keys(given).length > 0 && !given.expr)
    return refuse(422, 'parameters', 'expr has to be given');
  return [
    200,
    {
      name: body.component,
      version: '0.1.0',
      schema: { type: 'object', additionalProperties: false, properties, required },
      predicates: given.on ?? properties.on?.default ?? [],
      reading: 'rate',
      look_back_ms: 0,
      tick_ms: 0,
      capabilities: wants,
      description,
      bytes: 41_000,
    },
  ];
}

function changeFilters(method, parts, body, world) {
  if (method === 'POST' && parts[1] === 'components') {
    if (!Buffer.isBuffer(body) || body.subarray(0, 4).toString('latin1') !== '\0asm')
      return refuse(422, 'component', 'this is no WebAssembly component: it does not begin with \\0asm');
    const digest = createHash('sha256').update(body).digest('hex');
    world.uploads ??= new Map();
    // One whose bytes go on with 9 says nothing of itself before it is told its bound.
    if (body[8] === 9) {
      const above = { type: 'number', description: 'The bound.' };
      world.uploads.set(digest, [
        'A filter that needs a bound',
        [],
        { above, on: ON(['*/hosts/*/load1']) },
        ['above'],
      ]);
      return [
        200,
        {
          digest,
          bytes: body.length,
          description: null,
          problem: 'the parameter `above` is missing: The bound.',
        },
      ];
    }
    world.uploads.set(digest, [
      'A filter that was uploaded',
      ['alarms', 'history'],
      {
        on: ON(['*/hosts/*/load1']),
        limit: { type: 'number', description: 'How much is too much.', default: 5 },
        tags: { type: 'object', description: 'What goes with it.' },
      },
      [],
    ]);
    return [
      200,
      {
        digest,
        bytes: body.length,
        description: {
          name: 'mine',
          version: '0.0.1',
          description: 'A filter that was uploaded',
          predicates: ['*/hosts/*/load1'],
          reading: 'rate',
          look_back_ms: 0,
          tick_ms: 0,
          capabilities: ['alarms', 'history'],
          schema: {},
          bytes: body.length,
        },
      },
    ];
  }
  if (method === 'POST' && parts[1] === 'describe') return describe(body, world);
  const known = deployments(world).get(parts[1]);
  if (method === 'PUT') {
    if (known && known.owner !== createHash('sha256').update('ann').digest('hex'))
      return refuse(409, 'owner', `${parts[1]} belongs to another owner`);
    const [, wants = []] = FILTERS[body.component] ?? world.uploads?.get(body.component) ?? [];
    const lacking = wants.filter((want) => !(body.grants ?? []).includes(want));
    if (lacking.length)
      return refuse(
        409,
        'conflict',
        `${body.component} asks for more than it is granted: add ${lacking.join(', ')} to grants`,
      );
    const serial = (known?.serial ?? 0) + 1;
    deployments(world).set(parts[1], {
      name: parts[1],
      owner: createHash('sha256').update('ann').digest('hex'),
      serial,
      component: idOf(body.component),
      component_name: body.component.length === 64 ? 'mine' : body.component,
      component_version: '0.1.0',
      parameters: body.parameters,
      to: body.template ?? '',
      description: body.description,
      grants: body.grants ?? [],
      until: body.until,
      farms: at(world, body.template ?? '', true),
      fresh: Date.now(),
    });
    return [200, { name: parts[1], serial }];
  }
  if (!known) return refuse(404, 'no_such_deployment', `there is no deployment ${parts[1]}`);
  if (method === 'DELETE') {
    deployments(world).delete(parts[1]);
    return [200, {}];
  }
  if (method === 'POST' && parts[2] === 'retry') {
    for (const farm of known.farms)
      if (farm.state === 'quarantined') Object.assign(farm, { state: 'running', reason: undefined });
    return [200, {}];
  }
  return refuse(405, 'method', `${method} is not for this path`);
}

function logs(name, farm, world) {
  const known = deployments(world).get(name);
  if (!known) return refuse(404, 'no_such_deployment', `there is no deployment ${name}`);
  const lines = known.farms
    .filter((at) => !farm || at.farm === farm)
    .slice(0, 4)
    .flatMap((at, index) => [
      {
        farm: at.farm,
        time: Date.now() - 90_000 - index * 900,
        level: 'info',
        text: 'farm: running, from its last state',
        of_farm: true,
      },
      { farm: at.farm, time: Date.now() - 60_000 - index * 700, level: 'info', text: 'looks at 212 series' },
      {
        farm: at.farm,
        time: Date.now() - 30_000 - index * 500,
        level: 'warning',
        text: 'n7/disk_used[/var]\u202e: past 0.9 since 2 min <b>!</b>',
      },
    ]);
  return [200, { lines: lines.sort((a, b) => a.time - b.time) }];
}

// ---- Saved views ----

function views(method, parts, body, world) {
  world.saved ??= new Map([
    [
      'border',
      {
        name: 'border',
        title: 'Traffic of the border',
        page: 'explore',
        state: { p: '*/net/*/in[Gi0/1]', from: '-6h' },
        saved: Date.now() - 8e7,
      },
    ],
    ['broken', { name: 'broken', error: 'views/broken.json:3: expected `,` or `}`' }],
  ]);
  if (method === 'GET') return [200, { views: [...world.saved.values()] }];
  if (method === 'PUT') world.saved.set(parts[1], { name: parts[1], ...body, saved: Date.now() });
  else world.saved.delete(parts[1]);
  return [200, {}];
}

export function more(method, parts, query, body, world, session) {
  if (parts[0] === 'components') parts = ['filters', parts[1] ?? 'components'];
  const changes = method !== 'GET' && !(parts[0] === 'filters' && parts[1] === 'describe');
  if (['complete', 'query', 'filters', 'views'].includes(parts[0]) && changes && session !== 'changer')
    return null;
  switch (parts[0]) {
    case 'complete':
      return [200, complete(query.get('text') ?? '', world)];
    case 'query':
      return query.get('predicate')
        ? [200, csv(query.get('predicate'), world), 'text/csv; charset=utf-8']
        : refuse(400, 'predicate', 'the predicate is missing');
    case 'farms': {
      if (parts.length > 1 || !query.get('template')) return null;
      if (/=\s*$/.test(query.get('template')))
        return refuse(400, 'template', `template \`${query.get('template')}\`: expected a value after \`=\``);
      return [
        200,
        { farms: [...world.farms.values()].filter(template(query.get('template'))), coverage: full(world) },
      ];
    }
    case 'filters':
      if (method === 'GET' && parts.length === 1) return [200, list(world)];
      if (method === 'GET' && parts[2] === 'logs') return logs(parts[1], query.get('farm'), world);
      return method === 'GET' ? null : changeFilters(method, parts, body, world);
    case 'views':
      return views(method, parts, body, world);
    default:
      return null;
  }
}
