/* Requests to the server, and its problem documents (RFC 9457) as errors. */

import { ways } from '../player/ways';
import { clock } from '../state/clock';
import type {
  AuditEntry, AuditGroup, Camera, CameraInput, Everyone, EveryoneReceipt, Group, Home, ImportedHome, Passkey, PasskeyAsk, PasskeyList, PasskeyMade,
  PasskeyOptions, PasskeyShown, Person, Probe, Receipt, Role, ServerInfo, Session, SignedInAt, StreamName, Terms, Viewing, Watching, Why,
  GuestLink, Invitation, Look, Right, Token, TokenMade, TokenPorts, Welcome, CodeWanted, TotpState, TotpTold,
} from './types';

/* What the server refused, or `offline` when it was not reached at all. */
export class Problem extends Error {
  constructor(
    readonly name_: string, // the last part of `type`: "wrong-name-or-password"
    readonly status: number,
    readonly detail: string,
    readonly field: string | null = null,
    readonly retryAfterS: number | null = null,
    readonly more: Record<string, unknown> = {}, // what the problem says besides
  ) {
    super(detail || name_);
  }
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem('offline', 0, '');
}

let onHeldOff: () => void = () => undefined;

/* `listener` runs when any request, also one for pictures, finds its home held off. */
export function whenHeldOff(listener: () => void): void {
  onHeldOff = listener;
}

export async function problemOf(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    /* A proxy's own page, or nothing: the status is all we know. */
  }
  const type = typeof body.type === 'string' ? body.type : '';
  if (type === '/problems/home-suspended') onHeldOff();
  return new Problem(
    type.split('/').pop() || `status-${response.status}`,
    response.status,
    typeof body.detail === 'string' ? body.detail : '',
    typeof body.field === 'string' ? body.field : null,
    typeof body.retry_after_s === 'number' ? body.retry_after_s : null,
    body,
  );
}

let onSignedOut: () => void = () => undefined;

/* `listener` runs when any request finds the session gone. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/* Somebody who is signed in showed something wrong: he is signed in all the same. */
const WRONG = ['wrong-name-or-password', 'wrong-password-or-code', 'code-held-off', 'passkey-refused'];

let askAgain: (() => Promise<void>) | null = null;

/* `ask` runs when the server wants to know again who asks: the request waits, and is then repeated. */
export function whenAgainIsWanted(ask: () => Promise<void>): void {
  askAgain = ask;
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  try {
    return await send<T>(method, path, body);
  } catch (error) {
    if (askAgain === null || asProblem(error).name_ !== 'sign-in-again') throw error;
    await askAgain();
    return send<T>(method, path, body);
  }
}

async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, credentials: 'same-origin', cache: 'no-store' };
  if (body !== undefined) {
    const isFile = body instanceof Blob; // with a media type of its own
    init.headers = { 'Content-Type': isFile ? body.type : 'application/json' };
    init.body = isFile ? body : JSON.stringify(body);
  }
  const response = await fetch(path, init);
  if (!response.ok) {
    const problem = await problemOf(response);
    const isSignIn = (method === 'POST' && /^\/api\/v1\/session(\/(passkey|recovery|code).*)?$/.test(path)) || path === '/api/v1/look';
    if (problem.status === 401 && !isSignIn && !WRONG.includes(problem.name_)) onSignedOut();
    throw problem;
  }
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

const part = encodeURIComponent;
const ofHome = (home: string) => `home=${part(home)}`;
const cameraPath = (home: string, id: string) => `/api/v1/cameras/${part(id)}?${ofHome(home)}`;
const groupPath = (home: string, id: string) => `/api/v1/groups/${part(id)}?${ofHome(home)}`;
const groupRightPath = (home: string, account: string, group: string) =>
  `/api/v1/people/${part(account)}/groups/${part(group)}?${ofHome(home)}`;
const rightPath = (home: string, account: string, camera: string) =>
  `/api/v1/people/${part(account)}/cameras/${part(camera)}?${ofHome(home)}`;

export const api = {
  /* Also sets the clock, the one place where a round trip is measured, and which ways there are. */
  async server(): Promise<ServerInfo> {
    const sent = performance.now();
    const info = await request<ServerInfo>('GET', '/api/v1/server');
    clock.sample(Date.parse(info.time), sent, performance.now());
    ways.offer(info.webrtc === true);
    return info;
  },
  setup: (token: string, name: string, password: string, homeName: string) =>
    request<Session>('POST', '/api/v1/setup', { token, name, password, home_name: homeName }),
  signIn: (name: string, password: string) =>
    request<Session | CodeWanted>('POST', '/api/v1/session', { name, password }),
  signInWithCode: (pending: string, code: string) => request<Session>('POST', '/api/v1/session/code', { pending, code }),
  session: () => request<Session>('GET', '/api/v1/session'),
  signOut: () => request<void>('DELETE', '/api/v1/session'),
  signInAgain: (password: string, code: string | null) =>
    send<Session>('POST', '/api/v1/session/again', code === null ? { password } : { password, code }),
  passkeyAgainAsk: () => send<PasskeyAsk>('POST', '/api/v1/session/again/challenge', {}),
  showPasskeyAgain: (shown: PasskeyShown) => send<Session>('POST', '/api/v1/session/again', shown),
  changePassword: (oldPassword: string, newPassword: string) =>
    request<Session>('POST', '/api/v1/session/password', {
      old_password: oldPassword, new_password: newPassword,
    }),
  sessions: async () => (await request<{ sessions: SignedInAt[] }>('GET', '/api/v1/sessions')).sessions,
  endSession: (id: string) => request<void>('DELETE', `/api/v1/sessions/${part(id)}`),
  endOtherSessions: () => request<void>('DELETE', '/api/v1/sessions'),
  passkeyAsk: () => request<PasskeyAsk>('POST', '/api/v1/session/passkey/challenge', {}),
  signInWithPasskey: (shown: PasskeyShown) => request<Session>('POST', '/api/v1/session/passkey', shown),
  recover: (name: string, code: string, endsSessions: boolean, removesPasskeys: boolean) =>
    request<Session>('POST', '/api/v1/session/recovery', {
      name, code, end_sessions: endsSessions, remove_passkeys: removesPasskeys, remove_totp: removesPasskeys,
    }),
  passkeys: () => request<PasskeyList>('GET', '/api/v1/passkeys'),
  passkeyOptions: () => request<PasskeyOptions>('POST', '/api/v1/passkeys/challenge', {}),
  addPasskey: (made: PasskeyMade) => request<Passkey>('POST', '/api/v1/passkeys', made),
  renamePasskey: (id: string, name: string) => request<Passkey>('PATCH', `/api/v1/passkeys/${part(id)}`, { name }),
  removePasskey: (id: string) => request<void>('DELETE', `/api/v1/passkeys/${part(id)}`),
  totp: () => request<TotpState>('GET', '/api/v1/totp'),
  beginTotp: () => request<TotpTold>('POST', '/api/v1/totp', {}),
  confirmTotp: (code: string) => request<void>('POST', '/api/v1/totp/confirm', { code }),
  removeTotp: () => request<void>('DELETE', '/api/v1/totp'),
  makeRecoveryCodes: async () => (await request<{ codes: string[] }>('POST', '/api/v1/recovery', {})).codes,
  watching: async (home: string) =>
    (await request<{ watching: Watching[] }>('GET', `/api/v1/watching?${ofHome(home)}`)).watching,
  endWatching: (home: string, session: string) => request<void>('DELETE', `/api/v1/watching/${part(session)}?${ofHome(home)}`),
  everyone: (home: string) => request<Everyone>('GET', `/api/v1/everyone?${ofHome(home)}`),
  logEveryoneOut: (home: string, programs: boolean) =>
    request<EveryoneReceipt>('POST', `/api/v1/everyone/log-out?${ofHome(home)}`, { programs }),
  viewings: (home: string, camera: string, from: Date, to: Date) =>
    request<{ viewings: Viewing[]; has_more: boolean }>('GET',
      `/api/v1/cameras/${part(camera)}/viewings?${ofHome(home)}&from=${from.toISOString()}&to=${to.toISOString()}`),
  audit: (home: string, groups: readonly AuditGroup[], before?: number) =>
    request<{ entries: AuditEntry[]; has_more: boolean }>('GET',
      `/api/v1/audit?${ofHome(home)}&limit=50${groups.length > 0 ? `&groups=${groups.join(',')}` : ''}${before === undefined ? '' : `&before=${before}`}`),
  homes: async () => (await request<{ homes: Home[] }>('GET', '/api/v1/homes')).homes,
  changeHome: (home: string, change: { name?: string; time_zone?: string }) =>
    request<Home>('PATCH', `/api/v1/homes/${part(home)}`, change),
  handOver: (home: string, account: string, then: 'adult' | 'child' | 'guest' | 'leave') =>
    request<void>('POST', `/api/v1/people/${part(account)}/hand-over?${ofHome(home)}`, { then }),
  moveOut: (homes: string[]) => request<Receipt>('POST', '/api/v1/session/moving-out', { homes }),
  holdOff: (home: string, why: string) => request<void>('PUT', `/api/v1/homes/${part(home)}/suspension`, { why }),
  letGo: (home: string) => request<void>('DELETE', `/api/v1/homes/${part(home)}/suspension`),
  importHomes: async (text: string, onlyChecks: boolean) => (await request<{ homes: ImportedHome[] }>(
    'POST', `/api/v1/homes/import${onlyChecks ? '?check=1' : ''}`, new Blob([text], { type: 'text/csv' }))).homes,
  addHome: (name: string) => request<Home>('POST', '/api/v1/homes', { name }),
  cameras: async (home: string) =>
    (await request<{ cameras: Camera[] }>('GET', `/api/v1/cameras?${ofHome(home)}`)).cameras,
  addCamera: (home: string, input: CameraInput) =>
    request<Camera>('POST', `/api/v1/cameras?${ofHome(home)}`, input),
  editCamera: (home: string, id: string, input: CameraInput) =>
    request<Camera>('PATCH', cameraPath(home, id), input),
  removeCamera: (home: string, id: string) => request<void>('DELETE', cameraPath(home, id)),
  /* With `camera` and no password, the test uses the one that is kept for that camera. */
  probe: (home: string, input: CameraInput & { camera?: string }) =>
    request<Probe>('POST', `/api/v1/cameras/probe?${ofHome(home)}`, input),
  people: async (home: string) =>
    (await request<{ people: Person[] }>('GET', `/api/v1/people?${ofHome(home)}`)).people,
  invitations: async (home: string) =>
    (await request<{ invitations: Invitation[] }>('GET', `/api/v1/invitations?${ofHome(home)}`)).invitations,
  invite: (home: string, wish: { role: Role; label: string; days: number; cameras: { camera: string; rights: Right[] }[] }) =>
    request<Invitation & { token: string }>('POST', `/api/v1/invitations?${ofHome(home)}`, wish),
  inviteOwner: (home: string, wish: { label: string; days: number }) =>
    request<Invitation & { token: string }>('POST', `/api/v1/homes/${part(home)}/invitation`, wish),
  revokeInvitation: (home: string, id: string) => request<void>('DELETE', `/api/v1/invitations/${part(id)}?${ofHome(home)}`),
  tokens: (home: string) => request<{ tokens: Token[]; rtsp?: TokenPorts }>('GET', `/api/v1/tokens?${ofHome(home)}`),
  makeToken: (home: string, wish: { camera: string; rights: Right[]; days: number; name: string }) =>
    request<TokenMade>('POST', `/api/v1/tokens?${ofHome(home)}`, wish),
  endToken: (home: string, id: string) => request<void>('DELETE', `/api/v1/tokens/${part(id)}?${ofHome(home)}`),
  lookAtInvitation: (token: string) => request<Welcome>('POST', '/api/v1/invitations/look', { token }),
  acceptInvitation: (token: string, fresh: { name: string; password: string } | null) =>
    request<Session>('POST', '/api/v1/invitations/accept', { token, ...fresh }),
  links: async (home: string) => (await request<{ links: GuestLink[] }>('GET', `/api/v1/links?${ofHome(home)}`)).links,
  makeLink: (home: string, camera: string, wish: { label: string; from?: string; lasts_s: number; opened_max?: number }) =>
    request<GuestLink & { secret: string }>('POST', `/api/v1/cameras/${part(camera)}/links?${ofHome(home)}`, wish),
  revokeLink: (home: string, id: string) => request<void>('DELETE', `/api/v1/links/${part(id)}?${ofHome(home)}`),
  openLook: (secret: string) => request<Look & { is_open: boolean }>('POST', '/api/v1/look', { secret }),
  look: () => request<Look>('GET', '/api/v1/look'),
  addPerson: (home: string, name: string, password: string, role: Role) =>
    request<Person>('POST', `/api/v1/people?${ofHome(home)}`, { name, password, role }),
  setRole: (home: string, account: string, role: Role) =>
    request<Person>('PATCH', `/api/v1/people/${part(account)}?${ofHome(home)}`, { role }),
  removePerson: (home: string, account: string) =>
    request<void>('DELETE', `/api/v1/people/${part(account)}?${ofHome(home)}`),
  groups: async (home: string) => (await request<{ groups: Group[] }>('GET', `/api/v1/groups?${ofHome(home)}`)).groups,
  addGroup: (home: string, group: { name: string; cameras: string[] }) =>
    request<Group>('POST', `/api/v1/groups?${ofHome(home)}`, group),
  changeGroup: (home: string, id: string, change: { name: string; cameras: string[] }) =>
    request<Group>('PATCH', groupPath(home, id), change),
  removeGroup: (home: string, id: string) => request<void>('DELETE', groupPath(home, id)),
  setGroupTerms: (home: string, account: string, group: string, terms: Terms) =>
    request<Group>('PUT', groupRightPath(home, account, group), terms),
  cutGroup: (home: string, account: string, group: string) => request<void>('DELETE', groupRightPath(home, account, group)),
  why: (home: string, account: string, camera: string) =>
    request<Why>('GET', rightPath(home, account, camera)),
  setTerms: (home: string, account: string, camera: string, terms: Terms) =>
    request<Person>('PUT', rightPath(home, account, camera), terms),
  cutView: (home: string, account: string, camera: string) =>
    request<void>('DELETE', rightPath(home, account, camera)),
};

/* Stands for the home of a picture that is looked at by a guest link: which camera that is, the server knows. */
export const GUEST = '';

const mediaPath = (home: string, id: string, what: string, query: string) =>
  (home === GUEST ? `/api/v1/look/${what}?${query}` : `/api/v1/cameras/${part(id)}/${what}?${ofHome(home)}&${query}`);

export const livePath = (home: string, id: string, stream: StreamName) => mediaPath(home, id, 'live.mp4', `stream=${stream}`);
export const whepPath = (home: string, id: string, stream: StreamName) => mediaPath(home, id, 'whep', `stream=${stream}`);
export const soundPath = (home: string, id: string) =>
  `/api/v1/cameras/${part(id)}/sound.mp4?${ofHome(home)}`;
export const whipPath = (home: string, id: string) => `/api/v1/cameras/${part(id)}/whip?${ofHome(home)}`;
export const stillPath = (home: string, id: string, width: number | null) =>
  (width ? mediaPath(home, id, 'still.jpg', `width=${width}`) : mediaPath(home, id, 'still.jpg', '').slice(0, -1));
export const eventsPath = (home: string) => `/api/v1/events?${ofHome(home)}`;
