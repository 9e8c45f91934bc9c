/** What is compared across all farms without having to ask: names of the host module and of SNMP. */

export interface Preset {
  id: string;
  title: string;
  panels: { title: string; predicate: string }[];
}

export const PRESETS: Preset[] = [
  {
    id: 'cpu',
    title: 'CPU',
    panels: [
      { title: 'Busiest processors', predicate: '*/*/*/cpu_busy[]' },
      { title: 'Highest load', predicate: '*/*/*/load1' },
      { title: 'Waiting for a core', predicate: '*/*/*/pressure_cpu_waiting' },
      { title: 'Hottest', predicate: '*/*/*/temperature' },
    ],
  },
  {
    id: 'memory',
    title: 'Memory',
    panels: [
      { title: 'Fullest memory', predicate: '*/*/*/memory_used' },
      { title: 'Fullest swap', predicate: '*/*/*/swap_used' },
      { title: 'Waiting for memory', predicate: '*/*/*/pressure_memory_waiting' },
      { title: 'Most anonymous memory', predicate: '*/*/*/memory_anonymous' },
    ],
  },
  {
    id: 'io',
    title: 'IO',
    panels: [
      { title: 'Busiest devices', predicate: '*/*/*/io_busy_time' },
      { title: 'Most read', predicate: '*/*/*/io_read' },
      { title: 'Most written', predicate: '*/*/*/io_written' },
      { title: 'Waiting for a disk', predicate: '*/*/*/pressure_io_waiting' },
    ],
  },
  {
    id: 'disk',
    title: 'Disks',
    panels: [
      { title: 'Fullest file systems', predicate: '*/*/*/disk_used' },
      { title: 'Fewest free inodes', predicate: '*/*/*/disk_inodes_used' },
    ],
  },
  {
    id: 'traffic',
    title: 'Traffic',
    panels: [
      { title: 'Most received', predicate: '*/*/*/in' },
      { title: 'Most sent', predicate: '*/*/*/out' },
      { title: 'Most errors received', predicate: '*/*/*/in_errors' },
      { title: 'Most dropped when sent', predicate: '*/*/*/out_drops' },
    ],
  },
  {
    id: 'farms',
    title: 'Farms',
    panels: [
      { title: 'Most series', predicate: '*/hedgerow/*/series' },
      { title: 'Largest caches', predicate: '*/hedgerow/*/cache_bytes' },
      { title: 'Most memory of the monitor', predicate: '*/hedgerow/*/memory_resident' },
      { title: 'Costliest filters', predicate: '*/hedgerow/*/filter_cpu' },
    ],
  },
];

/** Patterns for exactly these series: labels that are not there are excluded. */
export function patternsFor(paths: readonly string[]): string {
  return paths.map((path) => (path.endsWith(']') ? path : `${path}[]`)).join(' ');
}
