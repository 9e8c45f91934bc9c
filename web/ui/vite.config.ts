/// <reference types="vitest/config" />
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const PACKED = new Set(['.js', '.css', '.html', '.json', '.svg']);

/** Writes `x.gz` beside each text file, which the server gives to those who take gzip. */
function packed(): Plugin {
  let folder = '';
  const pack = (at: string) => {
    for (const name of readdirSync(at)) {
      const path = join(at, name);
      if (statSync(path).isDirectory()) pack(path);
      else if (PACKED.has(extname(name)))
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
    }
  };
  return {
    name: 'packed',
    apply: 'build',
    configResolved: (config) => void (folder = config.build.outDir),
    closeBundle: () => pack(folder),
  };
}

const proxy = {
  '/api': {
    target: process.env.HEDGEROW_URL ?? 'http://127.0.0.1:7490',
    ws: true,
    changeOrigin: true,
    rewriteWsOrigin: true,
  },
};

export default defineConfig({
  plugins: [svelte(), packed()],
  build: {
    outDir: 'dist/app',
    emptyOutDir: true,
    target: 'es2022',
    // The server's content security policy allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  // With `HEDGEROW_URL` the page of the development server talks to a real one, which sees requests of its own origin.
  server: { port: 5173, proxy },
  preview: { port: 4173, proxy },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
