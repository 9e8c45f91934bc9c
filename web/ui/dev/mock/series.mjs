/** Series of the made-up mesh: what a farm holds, and values that look alive and are the same for all who ask. */

import { dice } from './world.mjs';

const HOST = [
  ['cpu_busy', '1', 'gauge'],
  ['load1', '', 'gauge'],
  ['memory_used', 'By', 'gauge'],
  ['memory_total', 'By', 'gauge'],
  ['disk_used[/]', '1', 'gauge'],
  ['disk_used[/var]', '1', 'gauge'],
  ['in[eth0]', 'By', 'counter'],
  ['out[eth0]', 'By', 'counter'],
  ['disk_read', 'By', 'counter'],
  ['disk_write', 'By', 'counter'],
  ['up', '', 'gauge'],
  ['uptime', 's', 'gauge'],
  ['processes', '', 'gauge'],
  ['link[eth0]', '', 'state'],
];
const CLUSTERS = {
  hosts: {
    nodes: (farm) => (farm === 'big-10k' ? 10_000 : 24),
    node: (at) => `n${at + 1}`,
    parameters: HOST,
  },
  net: {
    nodes: () => 4,
    node: (at) => `sw-a${at + 1}`,
    parameters: Array.from({ length: 8 }, (_, port) => [
      [`in[Gi0/${port + 1}]`, 'By', 'counter'],
      [`out[Gi0/${port + 1}]`, 'By', 'counter'],
      [`link[Gi0/${port + 1}]`, '', 'state'],
    ]).flat(),
  },
  room: {
    nodes: () => 1,
    node: () => 'door',
    parameters: [
      ['temp', 'Cel', 'gauge'],
      ['open', '', 'gauge'],
    ],
  },
  jobs: {
    nodes: () => 1,
    node: () => 'queue',
    parameters: [
      ['depth[queue=short]', '', 'gauge'],
      ['depth[queue=long]', '', 'gauge'],
      ['comment', '', 'text'],
    ],
  },
  hedgerow: {
    nodes: () => 1,
    node: (_, farm) => farm,
    parameters: [
      ['series', '', 'gauge'],
      ['alarms[critical]', '', 'gauge'],
      ['cache_bytes', 'By', 'gauge'],
    ],
  },
};

/** `/` in a node's name is escaped in path text. */
const escaped = (text) => text.replaceAll(/[\\*?{},[\]= /]/g, '\\$&');

function hash(text) {
  let h = 2166136261;
  for (let at = 0; at < text.length; at++) h = Math.imul(h ^ text.charCodeAt(at), 16777619);
  return h >>> 0;
}

/** The value of a series at a time; null where it has none. */
export function valueAt(head, t) {
  const seed = hash(head.path);
  const phase = (seed % 1000) / 1000;
  const day = Math.sin((t / 8.64e7 + phase) * 2 * Math.PI);
  const wave =
    Math.sin(t / (90_000 + (seed % 70_000)) + phase * 6.3) * 0.5 + Math.sin(t / 7_300 + phase * 20) * 0.2;
  const noise = dice(seed ^ Math.floor(t / 1000))() - 0.5;
  const level = Math.min(
    1,
    Math.max(0, 0.15 + 0.6 * phase * phase + 0.12 * day + 0.14 * wave + 0.05 * noise),
  );
  if (head.kind === 'text') return 'draining for the <b>upgrade</b>';
  if (head.kind === 'state') return seed % 17 === 0 ? 'down' : 'up';
  if (head.parameter === 'up') return seed % 61 === 0 ? 0 : 1;
  if (head.parameter === 'load1') return level * 48;
  if (head.parameter === 'memory_total') return 128 * 2 ** 30;
  if (head.parameter === 'uptime') return 4e5 + (t % 1e9) / 1000;
  if (head.parameter === 'temp') return 19 + 12 * level;
  if (head.unit === '1') return level;
  if (head.kind === 'counter') return level * level * 1.2e8;
  if (head.unit === 'By') return level * 96 * 2 ** 30;
  return Math.round(level * 900);
}

export function* seriesOf(farm, { cluster, node, parameter } = {}) {
  let s = 0;
  for (const [name, kind] of Object.entries(CLUSTERS)) {
    if (cluster && !cluster.test(name)) continue;
    const count = kind.nodes(farm);
    for (let at = 0; at < count; at++) {
      const nodeName = kind.node(at, farm);
      if (node && !node.test(nodeName)) continue;
      for (const [text, unit, sort] of kind.parameters) {
        const found = /^([^[]*)(?:\[(.*)\])?$/.exec(text);
        if (
          parameter &&
          !parameter.test(found[1]) &&
          !parameter.test(text) &&
          !(found[2] === undefined && parameter.test(`${text}[]`))
        )
          continue;
        const pair = found[2]?.includes('=') ? found[2].split('=') : found[2] ? ['item', found[2]] : null;
        const silent = hash(`${farm}/${nodeName}`) % 53 === 0;
        yield {
          s: s++,
          farm,
          cluster: name,
          node: nodeName,
          parameter: found[1],
          ...(pair ? { labels: { [pair[0]]: pair[1] } } : {}),
          path: `${escaped(farm)}/${name}/${escaped(nodeName)}/${text}`,
          unit: unit || null,
          kind: sort,
          as: sort === 'counter' ? 'rate' : 'value',
          life: silent ? 'stale' : 'live',
          ...(silent ? { reason: 'no sample for 3 intervals: the target timed out' } : {}),
          interval: 10_000,
        };
      }
    }
  }
}

/** A pattern's part as an expression. */
export function glob(text) {
  const bare = text.replace(/\[[^\]]*\]$/, '');
  let out = '';
  for (let at = 0; at < bare.length; at++) {
    const c = bare[at];
    if (c === '\\') out += `\\${bare[++at] ?? ''}`;
    else if (c === '*') out += '.*';
    else if (c === '?') out += '.';
    else if (c === '{') out += '(?:';
    else if (c === '}') out += ')';
    else if (c === ',') out += '|';
    else out += c.replace(/[.+^$()|[\]]/g, '\\$&');
  }
  return new RegExp(`^${out}$`, 'u');
}

/** Patterns of a predicate, each in four parts. */
export function patternsOf(predicate) {
  const words = predicate.replace(/\s+where\s.*$/, '').match(/(?:\\.|[^\s\\])+/g) ?? ['*'];
  return words
    .filter((word) => !/^(since|until|every|as)=|^last$/.test(word))
    .map((word) => {
      const parts = [''];
      let depth = 0;
      for (let at = 0; at < word.length; at++) {
        const c = word[at];
        if (c === '\\') parts[parts.length - 1] += c + (word[++at] ?? '');
        else if (c === '/' && depth === 0 && parts.length < 4) parts.push('');
        else {
          if (c === '[') depth++;
          if (c === ']') depth--;
          parts[parts.length - 1] += c;
        }
      }
      return {
        farm: glob(parts[0]),
        cluster: glob(parts[1] ?? '*'),
        node: glob(parts[2] ?? '*'),
        parameter: glob(parts[3] ?? '*'),
      };
    });
}

/** All series that match, up to a limit; `more` says how many are left out, as far as it was counted. */
export function matching(world, predicate, limit) {
  const found = [];
  let more = 0;
  const seen = new Set();
  for (const pattern of patternsOf(predicate))
    for (const farm of world.farms.values()) {
      if (!pattern.farm.test(farm.name)) continue;
      for (const head of seriesOf(farm.name, pattern)) {
        if (seen.has(head.path)) continue;
        seen.add(head.path);
        if (found.length < limit) found.push({ ...head, s: found.length });
        else more += 1;
        if (more > 200_000) return { found, more };
      }
    }
  return { found, more };
}

export function tree(farm, cluster, node) {
  const tally = new Map();
  const exact = (text) => (text === undefined ? undefined : { test: (name) => name === text });
  for (const head of seriesOf(farm, { cluster: exact(cluster), node: exact(node) })) {
    const name =
      cluster === undefined
        ? head.cluster
        : node === undefined
          ? head.node
          : head.path
              .split('/')
              .slice(3)
              .join('/')
              .replace(/^.*?([a-z0-9_]+(\[.*\])?)$/, '$1');
    const row = tally.get(name) ?? {
      name,
      series: 0,
      nodes: new Set(),
      live: 0,
      stale: 0,
      ended: 0,
      ...(node !== undefined ? { path: head.path } : {}),
    };
    row.series += 1;
    row[head.life] += 1;
    row.nodes.add(head.node);
    tally.set(name, row);
  }
  return [...tally.values()].map((row) => ({
    ...row,
    nodes: cluster === undefined ? row.nodes.size : undefined,
  }));
}
