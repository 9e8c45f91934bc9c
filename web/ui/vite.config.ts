/// <reference types="vitest/config" />
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { packed } from './build/packed';
import { world } from './build/world';

/** Few files: together they pack to four fifths, and the page that is walked to next is often there already. */
const FILES: [name: string, holds: RegExp][] = [
  ['charts', /uplot|\/lib\/(chart|saved)\/|\/pages\/(explore|compare|Explore|Compare)\b/],
  ['mesh', /\/lib\/map\/|\/pages\/(mesh|Mesh)\b/],
  ['pages', /\/pages\//],
];

const proxy = {
  '/api': {
    target: process.env.HEDGEROW_URL ?? 'http://127.0.0.1:7490',
    ws: true,
    changeOrigin: true,
    rewriteWsOrigin: true,
  },
};

export default defineConfig({
  plugins: [svelte(), world(), packed()],
  build: {
    outDir: 'dist/app',
    emptyOutDir: true,
    target: 'es2022',
    // The server's content security policy allows nothing inline.
    assetsInlineLimit: 0,
    // One sheet packs to two thirds of what twenty would.
    cssCodeSplit: false,
    // Smaller by a twentieth than what the default makes of it.
    minify: 'terser',
    terserOptions: { module: true, ecma: 2020, compress: { passes: 2 } },
    rollupOptions: {
      output: { manualChunks: (id) => FILES.find(([, holds]) => holds.test(id))?.[0] ?? 'index' },
    },
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // With `HEDGEROW_URL` the page of the development server talks to a real one, which sees requests of its own origin.
  server: { port: 5173, proxy },
  preview: { port: 4173, proxy },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
