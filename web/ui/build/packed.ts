/** Packs what was built, and refuses a page that has grown too large. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const PACKED = new Set(['.js', '.css', '.html', '.json', '.svg']);
/** All code and styles of all pages together, packed, bytes. More than this fails the build. */
const LARGEST = 150_000;

/** Writes `x.gz` beside each text file, which the server gives to those who take gzip. */
export function packed(): Plugin {
  let folder = '';
  /** Packs a folder; the packed size of its code and styles. */
  const pack = (at: string): number => {
    let sum = 0;
    for (const name of readdirSync(at)) {
      const path = join(at, name);
      const kind = extname(name);
      if (statSync(path).isDirectory()) sum += pack(path);
      else if (PACKED.has(kind)) {
        const bytes = gzipSync(readFileSync(path), { level: 9 });
        writeFileSync(`${path}.gz`, bytes);
        if (kind === '.js' || kind === '.css') sum += bytes.length;
      }
    }
    return sum;
  };
  return {
    name: 'packed',
    apply: 'build',
    configResolved: (config) => void (folder = config.build.outDir),
    closeBundle() {
      const size = pack(folder);
      if (size > LARGEST)
        this.error(`code and styles have ${size} bytes packed; expected at most ${LARGEST}`);
      console.log(`code and styles, packed: ${(size / 1000).toFixed(1)} kB of ${LARGEST / 1000} kB`);
    },
  };
}
