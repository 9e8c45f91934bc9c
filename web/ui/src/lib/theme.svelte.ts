/** Light or dark: as the system says, or as was chosen here. */

export type Theme = 'system' | 'light' | 'dark';
const KEY = 'hedgerow-theme';

function stored(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === 'light' || found === 'dark' ? found : 'system';
  } catch {
    return 'system';
  }
}

class Themes {
  chosen: Theme = $state('system');
  #systemDark = $state(false);

  constructor() {
    const query = matchMedia('(prefers-color-scheme: dark)');
    this.#systemDark = query.matches;
    query.addEventListener('change', (event) => (this.#systemDark = event.matches));
    this.choose(stored());
  }

  /** What is shown; charts and maps that paint by hand follow it. */
  get shown(): 'light' | 'dark' {
    if (this.chosen !== 'system') return this.chosen;
    return this.#systemDark ? 'dark' : 'light';
  }

  choose(theme: Theme): void {
    this.chosen = theme;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === 'system') localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // Not kept, then.
    }
  }

  /** A token's colour as it is now, for canvases. */
  color(token: string): string {
    const text = getComputedStyle(document.documentElement).getPropertyValue(token).trim();
    const [, light, dark] = /^light-dark\((#\w+),\s*(#\w+)\)$/.exec(text) ?? [];
    return (this.shown === 'dark' ? dark : light) ?? text;
  }
}

export const themes = new Themes();
