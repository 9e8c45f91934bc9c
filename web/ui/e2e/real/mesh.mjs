/**
 * A real mesh to look at: `hedgerow up` and more farms at its lookups, in a folder of its own, on ports of its own.
 * What runs is noted in `running.json` there, so that whoever knows the folder can kill a farm, start it again, and end all.
 */

import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What happens in a second on an idle machine, and has to happen on a busy one. */
export const PATIENCE = Number(process.env.E2E_PATIENCE ?? 60) * 1_000;
const LOOK = 60;
export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
/** A mesh has its page here and its lookups and its farm on the next ports. */
const PORTS = 4;

/** Looks until there is something, and gives it. */
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${patience / 1000} s in vain for ${what}`);
    await new Promise((done) => setTimeout(done, LOOK));
  }
}

function listens(port) {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
}

async function freePorts() {
  for (let tries = 0; tries < 200; tries++) {
    const base = 20_000 + Math.floor(Math.random() * 1_000) * 10;
    const all = await Promise.all(Array.from({ length: PORTS }, (_, above) => listens(base + above)));
    if (all.every(Boolean)) return base;
  }
  throw new Error(`no ${PORTS} free ports side by side`);
}

export class RealMesh {
  /** One that runs already, by its folder. */
  constructor(folder) {
    this.folder = folder;
    this.binary = process.env.HEDGEROW_BIN ?? join(ROOT, 'target/debug/hedgerow');
  }

  /** Starts `up`; `farm(mesh)` gives the configuration of its farm. Without a folder it is in a temporary one, which `stop` removes. */
  static async start({ folder = process.env.E2E_FOLDER, port = Number(process.env.E2E_PORT), farm }) {
    const own = !folder;
    folder ??= join(tmpdir(), `hedgerow-page-${process.pid}`);
    for (const inner of ['home', 'state', 'logs', 'mesh'])
      mkdirSync(join(folder, inner), { recursive: true });
    const mesh = new RealMesh(folder);
    mesh.own = own;
    // Whatever goes wrong, nothing is left behind.
    process.once('exit', () => mesh.kill());
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
    mesh.note({ port: port || (await freePorts()), pids: {} });
    writeFileSync(join(folder, 'mesh/farm.toml'), farm(mesh));
    await mesh.up();
    return mesh;
  }

  path(...inner) {
    return join(this.folder, ...inner);
  }

  get noted() {
    return JSON.parse(readFileSync(this.path('running.json'), 'utf8'));
  }

  note(what) {
    writeFileSync(this.path('running.json.new'), JSON.stringify(what));
    renameSync(this.path('running.json.new'), this.path('running.json'));
  }

  get port() {
    return this.noted.port;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get lookups() {
    return [1, 2].map((above) => `http://127.0.0.1:${this.port + above}`);
  }

  get environment() {
    return {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      TZ: 'UTC',
      HOME: this.path('home'),
      XDG_STATE_HOME: this.path('state'),
      RUST_BACKTRACE: '1',
    };
  }

  /** Starts a process of the mesh; it is noted, and its output is in files of this name. */
  spawn(name, words) {
    const out = openSync(this.path('logs', `${name}.out`), 'w');
    const err = openSync(this.path('logs', `${name}.err`), 'a');
    const child = spawn(this.binary, words, {
      env: this.environment,
      cwd: this.folder,
      stdio: ['ignore', out, err],
    });
    closeSync(out);
    closeSync(err);
    child.unref();
    const noted = this.noted;
    noted.pids[name] = child.pid;
    this.note(noted);
  }

  /** Waits until a process has printed something that matches. */
  said(name, words) {
    return until(`${words} from ${name}: ${this.path('logs', `${name}.err`)}`, () => {
      if (!alive(this.noted.pids[name]))
        throw new Error(`${name} has ended:\n${readFileSync(this.path('logs', `${name}.err`), 'utf8')}`);
      return words.exec(readFileSync(this.path('logs', `${name}.out`), 'utf8'));
    });
  }

  /** Starts `up`, and takes the session from the link that it prints. */
  async up() {
    this.spawn('up', ['up', '--data', this.path('mesh'), '--base-port', String(this.port)]);
    const [, token] = await this.said('up', /\/#session=(\S+)/);
    await this.said('up', /Ctrl-C stops/);
    this.note({ ...this.noted, token });
  }

  get token() {
    return this.noted.token;
  }

  /** Starts a farm of this name; `text` is its configuration, where it has none yet. */
  async farm(name, text) {
    mkdirSync(this.path(name), { recursive: true });
    if (text) writeFileSync(this.path(name, 'farm.toml'), text);
    const lookups = this.lookups.flatMap((url) => ['--lookup', url]);
    this.spawn(name, ['farm', '--data', this.path(name), '--listen', '127.0.0.1:0', ...lookups]);
    await this.said(name, /Ctrl-C stops/);
  }

  /** Ends a process: `SIGKILL` is a crash. */
  async end(name, signal = 'SIGKILL') {
    const { [name]: pid, ...pids } = this.noted.pids;
    if (pid === undefined) throw new Error(`${name} does not run`);
    process.kill(pid, signal);
    await until(`the end of ${name}`, () => !alive(pid));
    this.note({ ...this.noted, pids });
  }

  /** Runs a client command; what it printed. Exit statuses other than 0 are errors. */
  client(...words) {
    const lookups = this.lookups.flatMap((url) => ['--lookup', url]);
    return execFileSync(this.binary, [...words, ...lookups], {
      env: this.environment,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
  }

  /** The same, again until it succeeds: on a busy machine a lookup may not answer in time. */
  async done(...words) {
    let said = '';
    const done = () => {
      try {
        return { said: this.client(...words) };
      } catch (error) {
        said = error.stderr ?? String(error);
        return null;
      }
    };
    const found = await until(words.join(' '), done).catch((error) => {
      throw new Error(`${error.message}: ${said}`);
    });
    return found.said;
  }

  /** What `query` gives, one object a sample. */
  async query(...words) {
    const lines = (await this.done('query', ...words, '--json')).split('\n');
    return lines.filter(Boolean).map((line) => JSON.parse(line));
  }

  /** What the page's API answers. */
  async get(path) {
    const answer = await fetch(this.url + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Ends everything at once. */
  kill() {
    for (const pid of Object.values(this.noted.pids)) if (alive(pid)) process.kill(pid, 'SIGKILL');
  }

  /** Ends everything, and removes the folder that was made for it. */
  async stop() {
    this.kill();
    await until('the end of all', () => !Object.values(this.noted.pids).some(alive));
    this.note({ ...this.noted, pids: {} });
    if (this.own) process.once('exit', () => rmSync(this.folder, { recursive: true, force: true }));
  }
}

/** Whether it runs: what has ended and was not waited for does not. */
function alive(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1][0] !== 'Z';
  } catch {
    return false;
  }
}

/** Replaces a file at once, as an editor does. */
export function replace(file, text) {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
