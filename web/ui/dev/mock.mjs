/**
 * A server that speaks the contract of the page with a made-up mesh: to develop against, and the fixture of tests.
 * `node dev/mock.mjs [--port 7490] [--farms 200] [--still]` serves `dist/app` too, under the real server's security policy.
 * Tests steer it: `POST /mock/lose?farm=NAME&why=expired`, `/mock/back?farm=NAME`, `/mock/raise`, `/mock/drop` (closes all sockets).
 */

import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { answer } from './mock/rest.mjs';
import { kinds } from './mock/views.mjs';
import { World, idOf } from './mock/world.mjs';

const APP = fileURLToPath(new URL('../dist/app', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
export const TOKEN = 'mock-session-0123456789abcdef0123';
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/** A body longer than this is refused. */
const LONGEST_BODY = 8 << 20;

/** Starts it; `port` 0 takes a free one. */
export async function start({ port = 7490, farms = 200, still = false } = {}) {
  const world = new World({ farms, still });
  const sockets = new Set();
  const server = createServer((request, response) => void handle(request, response, world, sockets));
  const wss = new WebSocketServer({ server, path: '/api/v1/live/views' });
  wss.on('connection', (socket) => {
    sockets.add(socket);
    const stops = new Map();
    socket.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.close !== undefined) {
        stops.get(message.close)?.();
        stops.delete(message.close);
        return;
      }
      const id = message.open;
      const send = (frame) => socket.send(JSON.stringify({ view: id, frame }));
      const refuse = (error) => socket.send(JSON.stringify({ view: id, error }));
      const kind = kinds[message.view.kind];
      if (kind) stops.set(id, kind(message.view, world, send, refuse));
      else refuse(`view ${message.view.kind}: the made-up mesh has no such view`);
    });
    socket.on('close', () => {
      sockets.delete(socket);
      for (const stop of stops.values()) stop();
    });
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const stop = () => {
    clearInterval(world.timer);
    for (const socket of sockets) socket.terminate();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url, world, stop };
}

async function handle(request, response, world, sockets) {
  const url = new URL(request.url, 'http://127.0.0.1');
  const json = (status, body, type = 'application/json') => {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
    response.end(type === 'application/json' ? JSON.stringify(body) : body);
  };
  try {
    if (url.pathname.startsWith('/mock/')) return json(200, steer(url, world, sockets));
    if (url.pathname.startsWith('/api/v1/')) {
      const session = request.headers['x-hedgerow-session'] === TOKEN ? 'changer' : 'reader';
      const body = request.method === 'GET' ? undefined : await read(request);
      return json(
        ...answer(
          request.method,
          url.pathname.slice('/api/v1'.length),
          url.searchParams,
          body,
          world,
          session,
        ),
      );
    }
    file(url.pathname, response);
  } catch (error) {
    json(500, { error: { code: 'mock', message: String(error?.stack ?? error) } });
  }
}

function steer(url, world, sockets) {
  const name = url.searchParams.get('farm');
  switch (url.pathname.slice('/mock/'.length)) {
    case 'lose':
      world.lose(world.named(name), url.searchParams.get('why') ?? 'expired');
      return {};
    case 'back':
      world.back(idOf(name));
      return {};
    case 'raise':
      return world.raise();
    case 'drop':
      for (const socket of sockets) socket.terminate();
      return {};
    default:
      throw new Error(`nothing to steer at ${url.pathname}`);
  }
}

async function read(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LONGEST_BODY) throw new Error('the body is too long');
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  return request.headers['content-type'] === 'application/json' && size > 0
    ? JSON.parse(bytes.toString())
    : bytes;
}

function file(path, response) {
  let at = join(APP, normalize(path));
  if (!at.startsWith(APP) || !existsSync(at) || extname(at) === '') at = join(APP, 'index.html');
  if (!existsSync(at)) {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('The page is not built: npm run build\n');
    return;
  }
  const packed = existsSync(`${at}.gz`);
  response.writeHead(200, {
    'content-type': TYPES[extname(at)] ?? 'application/octet-stream',
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    ...(packed ? { 'content-encoding': 'gzip' } : {}),
  });
  response.end(readFileSync(packed ? `${at}.gz` : at));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '7490' },
      farms: { type: 'string', default: '200' },
      still: { type: 'boolean', default: false },
    },
  });
  const { url } = await start({
    port: Number(values.port),
    farms: Number(values.farms),
    still: values.still,
  });
  console.log(`${url}/#session=${TOKEN}`);
}
