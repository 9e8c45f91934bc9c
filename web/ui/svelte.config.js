import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

export default {
  preprocess: vitePreprocess(),
  compilerOptions: {
    runes: true,
    // Short: it stands at every element of every component.
    cssHash: ({ hash, filename, css }) => `s${hash(filename.replace(/.*\/src\//, '') || css)}`,
  },
};
