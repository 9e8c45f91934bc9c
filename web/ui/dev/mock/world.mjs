/** A made-up mesh that lives: farms with places, alarms that come and go, names that mean harm. The same for the same seed. */

import { createHash } from 'node:crypto';

const CITIES =
  `Geneva 46.2 6.1 CH|Bologna 44.5 11.3 IT|Karlsruhe 49.0 8.4 DE|Lyon 45.7 4.8 FR|Oxford 51.8 -1.3 GB|Manchester 53.5 -2.2 GB|Barcelona 41.4 2.2 ES|Lisbon 38.7 -9.1 PT|Prague 50.1 14.4 CZ|Krakow 50.1 19.9 PL|Bucharest 44.4 26.1 RO|Budapest 47.5 19.0 HU|Vienna 48.2 16.4 AT|Copenhagen 55.7 12.6 DK|Stockholm 59.3 18.1 SE|Helsinki 60.2 24.9 FI|Oslo 59.9 10.8 NO|Amsterdam 52.4 4.9 NL|Ljubljana 46.1 14.5 SI|Athens 38.0 23.7 GR|Istanbul 41.0 29.0 TR|Tel Aviv 32.1 34.8 IL|Cairo 30.0 31.2 EG|Cape Town -33.9 18.4 ZA|Nairobi -1.3 36.8 KE|Dubna 56.7 37.2 RU|Mumbai 19.1 72.9 IN|Kolkata 22.6 88.4 IN|Islamabad 33.7 73.1 PK|Beijing 39.9 116.4 CN|Shanghai 31.2 121.5 CN|Taipei 25.0 121.5 TW|Tokyo 35.7 139.7 JP|Tsukuba 36.1 140.1 JP|Seoul 37.6 127.0 KR|Daejeon 36.4 127.4 KR|Hanoi 21.0 105.8 VN|Singapore 1.4 103.8 SG|Melbourne -37.8 145.0 AU|Sydney -33.9 151.2 AU|Auckland -36.8 174.8 NZ|Batavia 41.8 -88.3 US|Upton 40.9 -72.9 US|Pasadena 34.1 -118.1 US|Berkeley 37.9 -122.3 US|Nashville 36.2 -86.8 US|Gainesville 29.7 -82.3 US|Lincoln 40.8 -96.7 US|Austin 30.3 -97.7 US|Boston 42.4 -71.1 US|Vancouver 49.3 -123.1 CA|Toronto 43.7 -79.4 CA|Montreal 45.5 -73.6 CA|Mexico City 19.4 -99.1 MX|Bogota 4.7 -74.1 CO|Sao Paulo -23.6 -46.6 BR|Rio de Janeiro -22.9 -43.2 BR|Buenos Aires -34.6 -58.4 AR|Santiago -33.4 -70.7 CL|Reykjavik 64.1 -21.9 IS`
    .split('|')
    .map((line) => {
      const found = /^(.*) (\S+) (\S+) (\S+)$/.exec(line);
      return { city: found[1], lat: Number(found[2]), lon: Number(found[3]), country: found[4] };
    });

const GROUPS = ['alice', 'atlas', 'cms', 'lhcb', 'network', 'storage'];

export function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const idOf = (text) => createHash('sha256').update(text).digest('hex').slice(0, 32);

export const LOOKUPS = [
  { url: 'http://127.0.0.1:7401', id: idOf('lookup-1'), name: 'lookup-1' },
  { url: 'http://127.0.0.1:7402', id: idOf('lookup-2'), name: 'lookup-2' },
];

const NO_COUNTS = { critical: 0, warning: 0, info: 0, unknown: 0, acknowledged: 0 };

const TEXTS = [
  [
    'disk-full',
    'critical',
    'hosts/n{n}/disk_used[/var]',
    (v) => `disk is ${Math.round(90 + v * 9)} % full`,
    '1',
  ],
  ['disk-full', 'warning', 'hosts/n{n}/disk_used[/]', (v) => `disk is ${Math.round(80 + v * 9)} % full`, '1'],
  ['room-hot', 'warning', 'room/door/temp', (v) => `machine room at ${(28 + v * 6).toFixed(1)} °C`, 'Cel'],
  [
    'link-flaps',
    'warning',
    'net/sw-a{n}/link[Gi0/1]',
    (v) => `link changed ${Math.round(4 + v * 9)} times in 10 min`,
    '',
  ],
  ['load-high', 'info', 'hosts/n{n}/load1', (v) => `load ${(20 + v * 60).toFixed(1)}`, ''],
  ['batch-silent', 'critical', 'jobs/queue/depth[queue=short]', () => 'no job has ended for 20 min', ''],
];

export class World {
  constructor({ farms = 200, still = false, seed = 7 } = {}) {
    this.random = dice(seed);
    this.still = still;
    this.started = Date.now();
    this.version = 0;
    this.farms = new Map();
    this.gone = new Map();
    this.alarms = new Map();
    this.silences = [
      {
        id: 1,
        farm: 'geneva-1',
        path: '*/hosts/n7',
        by: 'ann',
        comment: 'being moved',
        since: Date.now() - 3_600_000,
        until: Date.now() + 5_400_000,
      },
    ];
    this.log = [];
    this.listeners = new Set();
    this.lookupsAnswer = [true, true];
    this.#make(farms);
    for (let at = 0; at < 26; at++) this.raise(Date.now() - Math.round(this.random() * 8e6));
    this.#acknowledgeSome();
    if (!still) this.timer = setInterval(() => this.step(), 700);
  }

  #make(count) {
    const now = Date.now();
    for (let at = 0; at < count; at++) {
      const place = CITIES[at % CITIES.length];
      const base = place.city.toLowerCase().replaceAll(' ', '-');
      const round = Math.floor(at / CITIES.length) + 1;
      let name = `${base}-${round}`;
      if (at === 190) name = '<img src=x onerror=alert(1)>';
      if (at === 191) name = 'evil\u202egnp.exe\u0007';
      if (at === 192) name = 'a-farm-with-a-name-' + 'so-long-'.repeat(12) + 'that-it-has-to-be-cut';
      if (at === 193) name = 'ферма-Дубна';
      if (at === 194) name = 'twin~0a1b2c3d';
      if (at === 195) name = 'twin~9f8e7d6c';
      this.add(
        name,
        at >= 186
          ? null
          : {
              lat: place.lat + (this.random() - 0.5) * 0.5 * round,
              lon: place.lon + (this.random() - 0.5) * 0.7 * round,
            },
        place,
        now - Math.round(this.random() * 6e8),
      );
    }
    this.add('big-10k', { lat: 46.23, lon: 6.05 }, CITIES[0], now - 3e8);
    const states = [...this.farms.values()];
    for (const [at, state, why] of [
      [17, 'unconfirmed', 'lookup-2 restarted and waits for a renewal'],
      [44, 'suspect', 'lookup-1 suspects itself or the network'],
      [45, 'suspect', 'lookup-1 suspects itself or the network'],
      [71, 'stale', 'no lookup that knows it answers'],
      [98, 'unconfirmed', 'lookup-2 restarted and waits for a renewal'],
    ])
      if (states[at]) Object.assign(states[at], { state, why });
    if (states[120])
      Object.assign(states[120], {
        level: 'unknown',
        why: 'cannot be asked for its alarms: connection refused',
      });
  }

  add(name, place, where, since) {
    const id = idOf(name);
    this.farms.set(id, {
      id,
      name,
      state: 'live',
      level: 'ok',
      alarms: { ...NO_COUNTS },
      groups: [GROUPS[this.farms.size % GROUPS.length]],
      attributes: {
        city: where.city,
        country: where.country,
        cores: String(64 << (this.farms.size % 6)),
        ...(place ? { lat: place.lat.toFixed(3), lon: place.lon.toFixed(3) } : {}),
      },
      place,
      endpoints: [`http://10.${this.farms.size % 250}.0.3:7403`],
      version: this.farms.size % 9 === 0 ? '0.6.2' : '0.7.0',
      description: '',
      lookups: LOOKUPS.map((lookup) => lookup.id),
      rivals: 0,
      since,
    });
  }

  named(name) {
    return [...this.farms.values()].find((farm) => farm.name === name || farm.id === name);
  }

  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tell(change) {
    for (const listener of this.listeners) listener(change);
  }

  said(what, farm, detail) {
    const line = {
      t: Date.now(),
      what,
      kind: farm ? 'farm' : 'lookup',
      name: farm?.name ?? '',
      id: farm?.id,
      detail,
    };
    this.log.push(line);
    if (this.log.length > 1000) this.log.shift();
    this.tell({ log: line });
    return line;
  }

  lose(farm, why = 'expired') {
    this.farms.delete(farm.id);
    const gone = {
      id: farm.id,
      name: farm.name,
      why,
      t: Date.now(),
      farm: { ...farm, level: why === 'expired' ? 'critical' : 'unknown' },
    };
    this.gone.set(farm.id, gone);
    this.tell({ gone });
    this.said(
      'gone',
      farm,
      why === 'expired' ? 'expired: its lease ran out at both lookups' : 'cancelled: it was shut down',
    );
    for (const alarm of [...this.alarms.values()])
      if (alarm.farm === farm.name)
        this.change(alarm, {
          level: 'unknown',
          level_before: alarm.level,
          unknown_because: 'the farm does not answer',
        });
    if (why === 'expired') {
      const key = `${farm.id}/lost`;
      const now = Date.now();
      this.alarms.set(key, {
        key,
        farm: farm.name,
        farm_id: farm.id,
        id: 'farm_lost',
        name: 'farm_lost',
        deployment: '',
        level: 'critical',
        text: 'the farm is lost: its lease ran out',
        paths: [farm.name],
        since: now,
        changed: now,
        confirmed: now,
        version: 1,
      });
      this.tell({ alarm: this.alarms.get(key) });
    }
  }

  back(id) {
    const gone = this.gone.get(id);
    if (!gone) return;
    this.gone.delete(id);
    const farm = { ...gone.farm, state: 'live', since: Date.now() };
    this.farms.set(id, farm);
    this.count(farm);
    this.tell({ farm, back: id });
    this.said('appeared', farm, 'registered again at lookup-1 and lookup-2');
    if (this.alarms.delete(`${id}/lost`)) this.tell({ removed: `${id}/lost` });
    for (const alarm of this.alarms.values())
      if (alarm.farm === farm.name && alarm.unknown_because)
        this.change(alarm, {
          level: alarm.level_before,
          unknown_because: undefined,
          level_before: undefined,
        });
  }

  raise(since = Date.now()) {
    const farms = [...this.farms.values()].slice(0, 130);
    const farm = farms[Math.floor(this.random() * farms.length)];
    const [deployment, level, path, text, unit] = TEXTS[Math.floor(this.random() * TEXTS.length)];
    const value = this.random();
    const id = idOf(`${since}${farm.name}${deployment}${value}`);
    const key = `${farm.id}/${id}`;
    const where = `${farm.name}/${path.replace('{n}', 1 + Math.floor(this.random() * 20))}`;
    const alarm = {
      key,
      farm: farm.name,
      farm_id: farm.id,
      id,
      name: where.split('/').slice(1).join('/'),
      deployment,
      level,
      text: text(value),
      value: unit === '1' ? 0.8 + value * 0.19 : unit === 'Cel' ? 28 + value * 6 : undefined,
      unit: unit || undefined,
      runbook:
        deployment === 'disk-full'
          ? 'Remove old job sandboxes: https://wiki.example.org/disk-full'
          : undefined,
      paths: [where],
      since,
      changed: since,
      confirmed: Date.now(),
      version: 1,
    };
    if (deployment === 'batch-silent' && value > 0.6)
      Object.assign(alarm, {
        level: 'unknown',
        level_before: level,
        unknown_because: 'its source is silent: 3 intervals without a sample',
      });
    this.alarms.set(key, alarm);
    this.tell({ alarm });
    this.count(farm);
    return alarm;
  }

  change(alarm, what) {
    const next = { ...alarm, ...what, changed: Date.now(), version: alarm.version + 1 };
    this.alarms.set(alarm.key, next);
    this.tell({ alarm: next });
    const farm = this.named(alarm.farm);
    if (farm) this.count(farm);
    return next;
  }

  clear(alarm) {
    this.alarms.delete(alarm.key);
    this.tell({ removed: alarm.key });
    const farm = this.named(alarm.farm);
    if (farm) this.count(farm);
  }

  /** A farm's level is that of its worst open alarm. */
  count(farm) {
    const counts = { ...NO_COUNTS };
    for (const alarm of this.alarms.values()) {
      if (alarm.farm !== farm.name || alarm.cleared) continue;
      counts[alarm.level] += 1;
      if (alarm.acknowledged) counts.acknowledged += 1;
    }
    const level = ['critical', 'warning', 'unknown', 'info'].find((one) => counts[one] > 0) ?? 'ok';
    const next = { ...farm, alarms: counts, level };
    this.farms.set(farm.id, next);
    this.tell({ farm: next });
  }

  #acknowledgeSome() {
    const some = [...this.alarms.values()].filter((alarm) => alarm.level === 'warning').slice(0, 3);
    for (const alarm of some)
      this.change(alarm, {
        acknowledged: {
          by: 'ann',
          comment: 'disk ordered, arrives Tuesday',
          at: Date.now() - 6e5,
          until: Date.now() + 1.7e8,
        },
      });
  }

  totals() {
    const totals = {
      farms: this.farms.size,
      live: 0,
      suspect: 0,
      unconfirmed: 0,
      stale: 0,
      gone: this.gone.size,
      alarms: { critical: 0, warning: 0, info: 0, unknown: 0 },
    };
    for (const farm of this.farms.values()) totals[farm.state] += 1;
    for (const alarm of this.alarms.values())
      if (!alarm.cleared && alarm.level in totals.alarms) totals.alarms[alarm.level] += 1;
    return totals;
  }

  lookups() {
    return LOOKUPS.map((lookup, at) =>
      this.lookupsAnswer[at]
        ? {
            ...lookup,
            answers: true,
            leases: this.farms.size + 3,
            overdue: at === 1 ? 2 : 0,
            unconfirmed: at === 1 ? 2 : 0,
            suspects: false,
            renewals_per_second: 9.8 + at / 3,
            watchers: 1 + at,
            version: '0.7.0',
            up_since: this.started - 8.64e7 * (3 - at * 2.9),
          }
        : { ...lookup, answers: false, why: 'connection refused' },
    );
  }

  step() {
    const roll = this.random();
    const farms = [...this.farms.values()];
    if (roll < 0.05 && this.gone.size < 4) {
      const farm = farms[Math.floor(this.random() * 120)];
      if (farm && farm.name !== 'geneva-1') this.lose(farm, this.random() < 0.6 ? 'expired' : 'cancelled');
    } else if (roll < 0.12 && this.gone.size > 1) this.back([...this.gone.keys()][0]);
    else if (roll < 0.3 && this.alarms.size < 40) this.raise();
    else if (roll < 0.42 && this.alarms.size > 18)
      this.clear(
        [...this.alarms.values()].filter((alarm) => alarm.deployment)[Math.floor(this.random() * 10)],
      );
  }
}
