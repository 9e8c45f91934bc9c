/** Calls of `/api/v1`. What goes wrong becomes a sentence that can be shown. */

import { session } from './session.svelte';
import type {
  AlarmWhy,
  CompleteAnswer,
  ErrorBody,
  FarmStatus,
  MeshAnswer,
  SeriesAnswer,
  TreeAnswer,
} from './types';

/** An answer that was none. `message` is a sentence for people. */
export class CallError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'CallError';
    this.status = status;
    this.code = code;
  }

  /** It takes a session that this page has not. */
  get needsSession(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/** What went wrong, as a sentence. */
export function sentence(error: unknown): string {
  if (error instanceof Error && error.message) return error.message;
  return String(error);
}

export interface CallOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Sent as JSON, unless it is bytes, which are sent as a component. */
  body?: unknown;
  signal?: AbortSignal;
  /** Milliseconds until the page gives up. */
  timeout?: number;
}

const TIMEOUT = 20_000;

/** `path` is what follows `/api/v1`. */
export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (session.token !== null) headers['x-hedgerow-session'] = session.token;
  let body: BodyInit | undefined;
  if (options.body instanceof ArrayBuffer || options.body instanceof Blob) {
    headers['content-type'] = 'application/wasm';
    body = options.body;
  } else if (options.body !== undefined) {
    headers['content-type'] = 'application/json';
    body = JSON.stringify(options.body);
  }
  const patience = AbortSignal.timeout(options.timeout ?? TIMEOUT);
  const signal = options.signal ? AbortSignal.any([options.signal, patience]) : patience;
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, { method: options.method ?? 'GET', headers, body, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const why = patience.aborted ? 'did not answer in time' : 'does not answer';
    throw new CallError(0, 'unreachable', `The server of this page ${why}. Is hedgerow still running?`);
  }
  if (!response.ok) throw await refused(response);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

async function refused(response: Response): Promise<CallError> {
  return refusal(response.status, response.statusText, await response.text().catch(() => ''));
}

function refusal(status: number, word: string, text: string): CallError {
  let code = String(status);
  let message = '';
  try {
    const body = JSON.parse(text) as Partial<ErrorBody>;
    code = body.error?.code ?? code;
    message = body.error?.message ?? '';
  } catch {
    // No JSON: the status has to do.
  }
  if (!message) message = `The server refused it (${status} ${word}).`;
  return new CallError(status, code, message);
}

/** Sends a component, and tells how much of it is there: `fetch` does not. */
export function upload<T>(
  path: string,
  body: Blob,
  sent: (share: number) => void,
  timeout: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const lost = (why: string) => () =>
      reject(new CallError(0, 'unreachable', `The server of this page ${why}. Is hedgerow still running?`));
    request.open('POST', `/api/v1${path}`);
    request.timeout = timeout;
    request.setRequestHeader('accept', 'application/json');
    request.setRequestHeader('content-type', 'application/wasm');
    if (session.token !== null) request.setRequestHeader('x-hedgerow-session', session.token);
    request.upload.onprogress = ({ loaded, total }) => sent(total > 0 ? loaded / total : 0);
    request.onerror = lost('does not answer');
    request.ontimeout = lost('did not answer in time');
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText) as T);
      else reject(refusal(request.status, request.statusText, request.responseText));
    };
    request.send(body);
  });
}

/** `{a: 1, b: undefined}` as `?a=1`. */
export function parameters(given: Record<string, string | number | boolean | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(given))
    if (value !== undefined && value !== null && value !== '') search.set(key, String(value));
  const text = search.toString();
  return text ? `?${text}` : '';
}

const part = encodeURIComponent;

export const api = {
  mesh: (signal?: AbortSignal) => call<MeshAnswer>('/mesh', { signal }),
  farm: (farm: string, signal?: AbortSignal) => call<FarmStatus>(`/farms/${part(farm)}`, { signal }),
  tree: (at: { farm?: string; cluster?: string; node?: string }, signal?: AbortSignal) =>
    call<TreeAnswer>(`/tree${parameters(at)}`, { signal }),
  series: (at: { predicate: string; limit?: number; after?: string }, signal?: AbortSignal) =>
    call<SeriesAnswer>(`/series${parameters(at)}`, { signal }),
  complete: (text: string, signal?: AbortSignal) =>
    call<CompleteAnswer>(`/complete${parameters({ text })}`, { signal }),
  alarmWhy: (farm: string, id: string, signal?: AbortSignal) =>
    call<AlarmWhy>(`/alarms/${part(farm)}/${part(id)}`, { signal }),
  acknowledge: (farm: string, id: string, body: { comment: string; until?: number }) =>
    call<unknown>(`/alarms/${part(farm)}/${part(id)}/acknowledge`, { method: 'POST', body }),
  unacknowledge: (farm: string, id: string) =>
    call<unknown>(`/alarms/${part(farm)}/${part(id)}/unacknowledge`, { method: 'POST', body: {} }),
  closeAlarm: (farm: string, id: string, comment: string) =>
    call<unknown>(`/alarms/${part(farm)}/${part(id)}/close`, { method: 'POST', body: { comment } }),
  silence: (body: {
    farm?: string;
    deployment?: string;
    key?: string;
    path?: string;
    until: number;
    comment: string;
  }) => call<unknown>('/silences', { method: 'POST', body }),
  endSilence: (farm: string, id: number) =>
    call<unknown>(`/silences/${part(farm)}/${id}`, { method: 'DELETE' }),
};
