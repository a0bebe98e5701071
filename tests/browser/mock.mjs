/*
 * A server that answers as docs/api.md says, for the browser tests only: homes, people, cameras and
 * moving pictures in memory, and handles to make cameras stall, lag and vanish.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { join } from 'node:path';
import { FPS, frameAt, GOP, loadMedia } from './media.mjs';

export const CSP = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "media-src 'self' blob:",
  "connect-src 'self'", "manifest-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'",
  "require-trusted-types-for 'script'", 'trusted-types casement',
].join('; ');

const TYPES = {
  html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml', webmanifest: 'application/manifest+json', jpg: 'image/jpeg',
};

export const FINGERPRINT = Array.from({ length: 32 }, (_, n) => ((n * 37 + 11) % 256).toString(16).toUpperCase().padStart(2, '0')).join(':');

function certificate(folder) {
  mkdirSync(folder, { recursive: true });
  const both = join(folder, 'key-and-cert.pem'); // in one: two test files may make it at once
  if (!existsSync(both)) {
    const part = `${both}.${process.pid}`;
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', part, '-out', part], { stdio: 'ignore' });
    renameSync(part, both);
  }
  const pem = readFileSync(both);
  return { key: pem, cert: pem };
}

class Refusal extends Error {
  constructor(status, name, detail, extra = {}) {
    super(name);
    Object.assign(this, { status, body: { type: `/problems/${name}`, title: name, status, detail, ...extra } });
  }
}

const noSuchCamera = () => new Refusal(404, 'no-such-camera', 'There is no such camera.');
const iso = (ms) => new Date(ms).toISOString();

const NAMES = ['Front door', 'Garden', 'Garage', 'Kitchen', 'Gate', 'Stairs', 'Cellar', 'Balcony', 'Pool', 'Attic', 'Hall', 'Yard', 'Nursery', 'Workshop', 'Driveway', 'Roof'];

/* What wants a session whose owner showed a short while ago who he is; world.stale: whose are not. */
const FRESH = [/^\w+ people(?!.*\/cameras\/)/, /^PUT people/, /^DELETE cameras/, /^DELETE sessions$/, /^(POST|DELETE) tokens/, /^PATCH (groups|homes)/, /^POST session\/moving-out/, /^POST homes/, /^DELETE passkeys/, /^POST (passkeys\/challenge|recovery)$/];

export function makeWorld({ cameras = 4, isNew = false, isDemo = false } = {}) {
  const world = {
    accounts: new Map(), sessions: new Map(), devices: new Map(), stale: new Set(), homes: new Map(), invitations: new Map(), links: new Map(), tokens: [], rtsp: { port: null, tls_port: null }, setupToken: isNew ? 'first-light' : null,
    isDemo, passkeys: { here: false, names: ['casement.local', 'localhost'] }, keys: [], codes: { left: 0, made: null }, tries: 0, probes: [], streams: new Set(), events: new Set(), requests: [], ca: true, clockSkewMs: 0,
  };
  const account = (id, name, isOperator = false) =>
    world.accounts.set(id, { id, name, password: 'a long sentence', isOperator });
  if (isNew) return world;
  account('anna', 'Anna');
  account('marco', 'Marco');
  account('zia', 'Zia Pina');
  account('olga', 'Olga', true);
  const home = { id: 'verdi', name: 'Casa Verdi', members: new Map([['anna', 'owner'], ['marco', 'adult'], ['zia', 'guest']]), rights: new Map(), cameras: new Map() };
  world.homes.set('verdi', home);
  for (let n = 0; n < cameras; n++) addCamera(world, home, { name: NAMES[n] ?? `Camera ${n + 1}`, main: `rtsp://192.168.1.${20 + n}/main`, sub: `rtsp://192.168.1.${20 + n}/sub`, user: 'admin', password: 'x' });
  home.rights.set('marco', new Map([...home.cameras.keys()].slice(0, 2).map((id) => [id, ['view']])));
  home.rights.set('zia', new Map([...home.cameras.keys()].slice(0, 1).map((id) => [id, ['view', 'listen']])));
  world.homes.set('lago', { id: 'lago', name: 'Casa al lago', members: new Map([['anna', 'owner']]), rights: new Map(), cameras: new Map() });
  return world;
}

function addCamera(world, home, input) {
  const id = input.id ?? input.name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const camera = {
    home: home.id, id, ...input, state: 'live', since: Date.now() - 3_600_000, cause: null, nextTry: null,
    look: home.cameras.size % 4, startedAt: Date.now() - 60_000,
    stalledAt: null, delayMs: 0, hasPrft: true, isDeaf: false,
  };
  home.cameras.set(id, camera);
  return camera;
}

const NO_TERMS = { days: null, from: null, to: null, not_before: null, not_after: null };
const utc = (text) => (text ? new Date(text).toISOString() : null); // the tests' browser and this program have one clock
const rightsOf = (home, account, id) =>
  home.members.get(account) === 'owner' ? ['view', 'listen', 'talk'] : home.rights.get(account)?.get(id) ?? [];
const maySee = (home, account, id) =>
  home.members.get(account) === 'owner' || (home.members.has(account) && (home.rights.get(account)?.has(id) ?? false));

function cameraObject(camera, home, account, viewers) {
  const isOwner = home.members.get(account) === 'owner';
  const stream = (width, height) => ({ codec: 'avc1.42C01F', width, height, fps: FPS, bits_per_second: width * 1200, last_frame: iso(Date.now()) });
  const object = {
    home: camera.home, id: camera.id, name: camera.name, state: camera.state, state_since: iso(camera.since), cause: camera.cause,
    next_try: camera.nextTry === null ? null : iso(camera.nextTry),
    streams: { main: stream(1280, 720), sub: camera.sub ? stream(640, 360) : null },
    sound: { codec: 'pcmu', rate: 8000, channels: 1 }, rights: camera.opens ? [] : rightsOf(home, account, camera.id),
    not_now: camera.opens ? { reason: 'not-these-hours', opens: iso(camera.opens) } : null,
    talk: camera.talk ? { state: camera.talkCause ? 'failed' : 'idle', cause: camera.talkCause ?? null, detail: null } : null,
  };
  if (!isOwner) return object;
  return { ...object, viewers, main: camera.main, sub: camera.sub ?? null, user: camera.user ?? null, has_password: Boolean(camera.password) };
}

export class Mock {
  constructor({ world = makeWorld(), isPlain = false, folder, dist, gallery }) {
    Object.assign(this, { world, dist, gallery, isPlain });
    this.media = loadMedia(join(folder, 'media'));
    this.server = isPlain ? createServer() : createSecureServer({ ...certificate(join(folder, 'tls')), allowHTTP1: true });
    this.server.on('request', (request, response) => void this.answer(request, response));
    this.sockets = new Set();
    this.server.on(isPlain ? 'connection' : 'secureConnection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
    });
  }

  async start() {
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `${this.isPlain ? 'http' : 'https'}://localhost:${this.server.address().port}`;
    return this;
  }

  async stop() {
    for (const stream of this.world.streams) clearInterval(stream.timer);
    for (const socket of this.sockets) socket.destroy();
    await new Promise((done) => this.server.close(done));
  }

  now() {
    return Date.now() + this.world.clockSkewMs;
  }

  /* ---- handles for tests ---- */

  camera(id, home = 'verdi') {
    return this.world.homes.get(home).cameras.get(id);
  }

  streamsOf(id) {
    return [...this.world.streams].filter((stream) => stream.camera.id === id);
  }

  setState(id, state, cause = null, nextTry = null) {
    const camera = this.camera(id);
    Object.assign(camera, { state, cause, nextTry, since: this.now() });
    this.tellCamera(camera);
  }

  endStreams(id) {
    for (const stream of this.streamsOf(id)) stream.end();
  }

  cut(account, id, home = 'verdi') {
    const place = this.world.homes.get(home);
    place.rights.get(account)?.delete(id);
    for (const stream of this.streamsOf(id)) if (stream.account === account) stream.end();
    this.tell((who) => who === account, 'camera-gone', { home, id });
  }

  tell(isFor, event, data) {
    for (const client of this.world.events)
      if (isFor(client.account) && (!data.home || client.home === data.home)) client.send(event, data);
  }

  tellCamera(camera) {
    const home = this.world.homes.get(camera.home);
    for (const client of this.world.events)
      if (client.home === home.id && maySee(home, client.account, camera.id))
        client.send('camera', cameraObject(camera, home, client.account, this.streamsOf(camera.id).length));
  }

  tellViewers(camera) {
    const viewers = this.streamsOf(camera.id).map(({ account, stream, since }) => ({ ...this.whoIs(account), stream, since: iso(since) }));
    this.tell((who) => maySee(this.world.homes.get(camera.home), who, camera.id), 'viewers',
      { home: camera.home, id: camera.id, viewers: [...viewers, ...(camera.guests ?? [])] });
  }

  /* A member, or a guest by the id of his link. */
  whoIs(id) {
    const link = this.world.links.get(id);
    return link ? { account: '', link: id, name: link.label } : { account: id, link: '', name: this.world.accounts.get(id).name };
  }

  /* ---- HTTP ---- */

  async answer(request, response) {
    response.on('error', () => undefined);
    try {
      const url = new URL(request.url, 'https://localhost');
      this.world.requests.push(`${request.method} ${url.pathname}${url.search}`);
      if (url.pathname.startsWith('/api/')) await this.api(request, response, url);
      else this.file(response, url.pathname);
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      const { status, body } = error instanceof Refusal ? error : { status: 500, body: { type: '/problems/broken', status: 500 } };
      this.json(response, status, body, 'application/problem+json');
    }
  }

  json(response, status, body, type = 'application/json') {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }

  file(response, path) {
    if (path === '/ca.crt') {
      response.writeHead(200, { 'content-type': 'application/x-x509-ca-cert' });
      response.end('-----BEGIN CERTIFICATE-----\n');
      return;
    }
    if (path === '/gallery/still.jpg') {
      response.writeHead(200, { 'content-type': 'image/jpeg' });
      response.end(this.media[2].still);
      return;
    }
    const isGallery = path.startsWith('/gallery/') && this.gallery;
    const name = isGallery ? path.slice('/gallery/'.length) || 'index.html' : path === '/' ? 'index.html' : path.slice(1);
    const folder = isGallery ? this.gallery : this.dist;
    const known = readdirSync(folder, { recursive: true });
    if (!known.includes(name)) throw new Refusal(404, 'not-found', 'There is nothing here.');
    response.writeHead(200, {
      'content-type': TYPES[name.split('.').pop()] ?? 'application/octet-stream', 'content-security-policy': CSP,
      'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer',
    });
    response.end(readFileSync(join(folder, name)));
  }

  sessionOf(request) {
    const token = /__Host-casement=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
    const account = this.world.accounts.get(this.world.sessions.get(token) ?? '');
    return account ? { token, account } : null;
  }

  sessionObject(account) {
    const homes = [...this.world.homes.values()].filter((home) => home.members.has(account.id))
      .map((home) => ({ id: home.id, name: home.name, time_zone: home.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone, role: home.members.get(account.id), suspended: home.suspended ?? null }));
    return { account: { id: account.id, name: account.name, is_operator: account.isOperator }, homes, expires: iso(this.now() + 86_400_000) };
  }

  signIn(response, status, account) {
    const token = randomBytes(16).toString('hex');
    this.world.sessions.set(token, account.id);
    response.setHeader('set-cookie', `__Host-casement=${token}; HttpOnly; Secure; SameSite=Strict; Path=/`);
    this.json(response, status, this.sessionObject(account));
  }

  async api(request, response, url) {
    const path = url.pathname.slice('/api/v1/'.length);
    const { method } = request;
    const isWithBody = method !== 'GET' && method !== 'DELETE';
    if (!isWithBody && Number(request.headers['content-length'] ?? 0) > 0) throw new Refusal(413, 'content-too-large', 'No body is taken here.');
    const body = isWithBody ? await bodyOf(request) : {};
    const { world } = this;
    if (path === 'server')
      return this.json(response, 200, { version: '0.1.0', setup_needed: world.setupToken !== null, ca: world.ca ? { fingerprint_sha256: FINGERPRINT } : null, time: iso(this.now()), demo: world.isDemo, passkeys: world.passkeys });
    if (path === 'setup') return this.setup(response, body);
    if (path === 'session' && method === 'POST') return this.newSession(response, body);
    if (path === 'invitations/look' || path === 'invitations/accept') return this.join(request, response, path, body);
    if (path === 'look' || path.startsWith('look/')) return this.look(request, response, url, path.slice('look/'.length), body);
    if (path === 'session/passkey/challenge') return this.json(response, 200, { challenge: 'A'.repeat(43), rpId: 'localhost', timeout: 300_000, userVerification: 'required', allowCredentials: [] });
    const session = this.sessionOf(request);
    if (!session) throw new Refusal(401, 'sign-in', 'Please sign in.');
    const { account } = session;
    if (path === 'session' && method === 'GET') return this.json(response, 200, this.sessionObject(account));
    if (path === 'session') {
      world.sessions.delete(session.token);
      return this.json(response, 204);
    }
    if (path === 'session/again') {
      if (body.password !== account.password) throw new Refusal(401, 'wrong-name-or-password', 'The name or the password is wrong.');
      world.sessions.delete(session.token);
      world.stale.delete(account.id);
      return this.signIn(response, 200, account);
    }
    if (method !== 'GET' && FRESH.some((one) => one.test(`${method} ${path}`)) && world.stale.has(account.id))
      throw new Refusal(403, 'sign-in-again', 'This wants to know that it is still you.');
    if (path === 'session/password') {
      if (body.old_password !== account.password) throw new Refusal(403, 'wrong-password', 'The password until now is wrong.');
      account.password = body.new_password;
      world.sessions.delete(session.token);
      return this.signIn(response, 200, account);
    }
    if (path === 'sessions' || path.startsWith('sessions/')) return this.sessions(response, method, session, path.slice('sessions/'.length));
    if (path === 'passkeys' && method === 'GET') return this.json(response, 200, { passkeys: world.keys, recovery: world.codes });
    if (path === 'totp' && method === 'GET') return this.json(response, 200, { state: 'off', since: null });
    if (path === 'totp' && method === 'POST') {
      const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
      return this.json(response, 201, { secret, uri: `otpauth://totp/casement:Anna?secret=${secret}&issuer=casement&algorithm=SHA1&digits=6&period=30`, expires_in_s: 900 });
    }
    if (path === 'recovery') return this.recovery(response);
    if (path === 'session/moving-out') return this.movingOut(response, account, body);
    if (path.startsWith('homes/') && method === 'PATCH') {
      const home = world.homes.get(path.split('/')[1]);
      if (body.name) home.name = body.name;
      if (body.time_zone) home.zone = body.time_zone;
      return this.json(response, 200, { id: home.id, name: home.name, time_zone: home.zone, role: home.members.get(account.id) });
    }
    if (/^homes\/(import|[^/]+\/suspension)$/.test(path)) return this.operate(response, method, account, path, url, body);
    if (/^homes\/[^/]+\/invitation$/.test(path)) return this.inviteOwner(response, account, path, body);
    if (path === 'homes') return this.homes(response, method, account, body);
    return this.inHome(request, response, url, path.split('/').map(decodeURIComponent), account, body);
  }

  /* Where one is signed in; `devices`: others than browsers of the test, by token. */
  sessions(response, method, { token, account }, id) {
    const { sessions, devices } = this.world;
    const own = [...sessions].filter(([, whose]) => whose === account.id).map(([one]) => one);
    if (method === 'GET') {
      const ago = (minutes) => iso(this.now() - minutes * 60_000);
      return this.json(response, 200, { sessions: own.map((one) => ({
        id: one.slice(0, 24), is_this: one === token, method: 'password', device: 'Chrome on Linux', network: '192.168.1.20',
        created: ago(90), last_used: ago(2), authenticated: ago(90), expires: ago(-20_000), ...devices.get(one),
      })) });
    }
    const ended = own.filter((one) => (id ? one.startsWith(id) : one !== token));
    if (id && ended.length === 0) throw new Refusal(404, 'no-such-session', 'There is no such session.');
    for (const one of ended) sessions.delete(one);
    return this.json(response, 204);
  }

  recovery(response) {
    this.world.codes = { left: 10, made: iso(this.now()) };
    return this.json(response, 201, { codes: Array.from({ length: 10 }, (_, n) => `7K4${n}-W2QX-M9VT-H3C${n}`) });
  }

  setup(response, body) {
    const { world } = this;
    if (world.setupToken === null || body.token !== world.setupToken) throw new Refusal(403, 'setup-link', 'This link is not valid any more.');
    world.setupToken = null;
    const account = { id: 'first', name: body.name, password: body.password, isOperator: true };
    world.accounts.set('first', account);
    world.homes.set('home', { id: 'home', name: body.home_name, members: new Map([['first', 'owner']]), rights: new Map(), cameras: new Map() });
    this.signIn(response, 201, account);
  }

  movingOut(response, account, body) {
    const homes = body.homes.map((id) => {
      const home = this.world.homes.get(id);
      const others = [...home.members].filter(([who]) => who !== account.id);
      if (home.members.get(account.id) === 'owner' && others.length > 0 && !others.some(([, role]) => role === 'owner')) throw new Refusal(409, 'last-owner', 'Somebody must own it.');
      const destroyed = others.length === 0;
      home.members.delete(account.id);
      if (destroyed) this.world.homes.delete(id);
      return { id, name: home.name, role: 'owner', destroyed, cameras: [...home.cameras.keys()].map((one) => ({ id: one, epoch: destroyed ? null : 7 })), grants: 0, tokens: 1, invitations: 2 };
    });
    const who = { id: account.id, name: account.name };
    return this.json(response, 200, { account: who, by: who, at: iso(this.now()), homes });
  }

  /* Holding a home off, and many from a file: every line that holds "wrong" is. */
  operate(response, method, account, path, url, body) {
    if (!account.isOperator) throw new Refusal(403, 'not-allowed', 'Only for operators.');
    const [, id, isHeld] = path.split('/');
    if (isHeld) {
      this.world.homes.get(id).suspended = method === 'PUT' ? { since: iso(this.now()), by: account.name, why: body.why } : null;
      this.tell((who) => this.world.homes.get(id).members.has(who), 'home', { home: id, suspended: this.world.homes.get(id).suspended });
      if (method === 'PUT') for (const camera of this.world.homes.get(id).cameras.keys()) for (const stream of this.streamsOf(camera)) stream.end();
      return this.json(response, 204);
    }
    const lines = body.split(/\r?\n/).slice(1).filter(Boolean);
    const faults = lines.flatMap((line, n) => (line.includes('wrong') ? [{ line: n + 2, column: 1, name: 'home', cause: line.includes('wrong 7') ? 'of-a-later-server' : 'home-taken', detail: 'there is a home of this name on the server' }] : []));
    if (faults.length > 0) throw new Refusal(400, 'bad-homes-file', 'Nothing was made.', { faults: faults.slice(0, 20), fault_count: faults.length });
    const isCheck = url.searchParams.get('check') === '1';
    const homes = lines.map((line) => line.split(',')).map(([name, owner], n) => ({ name, owner, cameras: 1, ...(isCheck ? {} : { id: `i${n}`, token: `cmi_${n}` }) }));
    if (!isCheck) for (const { id: one, name } of homes) this.world.homes.set(one, { id: one, name, members: new Map(), rights: new Map(), cameras: new Map() });
    return this.json(response, isCheck ? 200 : 201, { homes });
  }

  /* What the owners of a home see of its invitations; `world.invitations` is made with the first. */
  invitations(response, method, home, account, id, body) {
    const { invitations } = this.world;
    if (method === 'GET') return this.json(response, 200, { invitations: [...invitations.values()].filter((one) => one.home === home.id).map(({ token, home: _, ...one }) => one) });
    if (method === 'DELETE') {
      invitations.delete(id);
      return this.json(response, 204);
    }
    const one = { id: `i${invitations.size}`, home: home.id, token: `cmi_${randomBytes(32).toString('base64url')}`, state: 'open', used_by: null, made_by: { id: account.id, name: account.name }, expires: iso(this.now() + body.days * 86_400_000), ...body };
    invitations.set(one.id, one);
    return this.json(response, 201, one);
  }

  tokens(response, method, home, account, id, body) {
    const { world } = this;
    if (method === 'GET') return this.json(response, 200, { tokens: world.tokens.filter((one) => one.home === home.id).map(({ home: _, ...one }) => one), rtsp: world.rtsp });
    if (method === 'DELETE') {
      world.tokens = world.tokens.filter((one) => one.id !== id);
      return this.json(response, 204);
    }
    if (!home.cameras.has(body.camera)) throw noSuchCamera();
    const one = { id: `t${world.tokens.length}`, name: body.name ?? '', account: account.id, camera: body.camera, rights: body.rights, created: iso(this.now()), expires: iso(this.now() + body.days * 86_400_000), last_used: null };
    world.tokens.push({ ...one, home: home.id });
    return this.json(response, 201, { ...one, token: `cma_${randomBytes(32).toString('base64url')}` });
  }

  groups(response, method, home, id, body) {
    home.groups ??= [];
    const found = home.groups.find((one) => one.id === id);
    if (method === 'GET') return this.json(response, 200, { groups: home.groups });
    if (method === 'POST') {
      const group = { home: home.id, id: `g${home.groups.length}`, name: body.name, cameras: body.cameras ?? [], people: [] };
      home.groups.push(group);
      return this.json(response, 201, group);
    }
    if (!found) throw new Refusal(404, 'no-such-group', 'There is no such group.');
    if (method === 'DELETE') {
      home.groups = home.groups.filter((one) => one !== found);
      return this.json(response, 204);
    }
    return this.json(response, 200, Object.assign(found, body));
  }

  groupRights(response, method, home, account, id, body) {
    const group = home.groups.find((one) => one.id === id);
    group.people = group.people.filter((one) => one.account !== account);
    if (method === 'DELETE') return this.json(response, 204);
    group.people.push({ account, ...NO_TERMS, ...body });
    return this.json(response, 200, group);
  }

  linkObject({ secret, home: _, token: __, ...link }) {
    const isOver = Date.parse(link.until) <= this.now();
    return { ...link, state: link.state === 'open' && isOver ? 'over' : link.state };
  }

  /* Guest links of a home. */
  links(response, method, home, account, camera, id, body) {
    const { links } = this.world;
    if (method === 'GET') return this.json(response, 200, { links: [...links.values()].filter((one) => one.home === home.id).map((one) => this.linkObject(one)).reverse() });
    if (method === 'DELETE') {
      const one = links.get(id);
      if (!one) throw new Refusal(404, 'no-such-link', 'No such link.');
      one.state = 'revoked';
      for (const stream of [...this.world.streams]) if (stream.account === id) stream.end();
      return this.json(response, 204);
    }
    const from = Math.max(body.from ? new Date(body.from).getTime() : 0, this.now());
    const until = from + body.lasts_s * 1000;
    if (until > this.now() + 30 * 86_400_000) throw new Refusal(400, 'bad-time', 'Over within 30 days.', { field: 'from' });
    const one = {
      id: `l${links.size}`, home: home.id, camera, secret: `cmg_${randomBytes(32).toString('base64url')}`, token: null, label: body.label, state: from > this.now() ? 'not-yet' : 'open', made_by: account.name, created: iso(this.now()),
      from: iso(from), until: iso(until), opened: 0, opened_max: body.opened_max ?? null, last_opened: null, looks: [],
    };
    links.set(one.id, one);
    const { secret } = one;
    return this.json(response, 201, { ...this.linkObject(one), secret });
  }

  /* Whoever looks by one: by a cookie of its own. */
  look(request, response, url, what, body) {
    const links = [...this.world.links.values()];
    const camera = (one) => this.world.homes.get(one.home).cameras.get(one.camera);
    const told = (one) => ({ camera: camera(one).name, has_sub: true, from: one.from, until: one.lookMs ? iso(this.now() + one.lookMs) : one.until, now: iso(this.now()) });
    if (request.method === 'POST') {
      const one = links.find(({ secret }) => secret === body.secret);
      if (!one || this.linkObject(one).state !== 'open') throw new Refusal(404, 'no-such-link', 'This link is over.');
      if (Date.parse(one.from) > this.now()) return this.json(response, 200, { ...told(one), is_open: false });
      one.token = randomBytes(16).toString('hex');
      one.opened++;
      one.looks.push({ opened: iso(this.now()), device: 'Chrome on Linux', network: '192.0.2.7', may_look: true });
      response.setHeader('set-cookie', `__Host-casement-look=${one.token}; HttpOnly; Secure; SameSite=Strict; Path=/`);
      return this.json(response, 201, { ...told(one), is_open: true });
    }
    const token = /__Host-casement-look=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
    const one = links.find((link) => token && link.token === token);
    if (!one || this.linkObject(one).state !== 'open') throw new Refusal(401, 'link-over', 'This look has ended.');
    if (what === 'live.mp4') return this.live(request, response, url, camera(one), { id: one.id });
    if (what === 'still.jpg') return this.still(response, camera(one));
    return this.json(response, 200, told(one));
  }

  join(request, response, path, body) {
    const one = [...this.world.invitations.values()].find(({ token, state }) => token === body.token && state === 'open');
    if (!one) throw new Refusal(404, 'no-such-invitation', 'This invitation is over.');
    const home = this.world.homes.get(one.home);
    const session = this.sessionOf(request);
    if (path === 'invitations/look')
      return this.json(response, 200, { home: { id: home.id, name: home.name }, role: one.role, made_by: one.made_by.name, cameras: one.cameras.length, expires: one.expires, is_member: Boolean(session && home.members.has(session.account.id)) });
    const account = session?.account ?? { id: `p${this.world.accounts.size}`, name: body.name, password: body.password, isOperator: false };
    this.world.accounts.set(account.id, account);
    home.members.set(account.id, one.role);
    home.rights.set(account.id, new Map(one.cameras.map(({ camera, rights }) => [camera, rights])));
    Object.assign(one, { state: 'used', used_by: { id: account.id, name: account.name } });
    return session ? this.json(response, 200, this.sessionObject(account)) : this.signIn(response, 201, account);
  }

  newSession(response, body) {
    const account = [...this.world.accounts.values()].find((one) => one.name === body.name && one.password === body.password);
    if (!account && ++this.world.tries > 4) throw new Refusal(429, 'too-many-tries', 'Too many tries.', { retry_after_s: 30 });
    if (!account) throw new Refusal(401, 'wrong-name-or-password', 'Name or password is wrong.');
    this.signIn(response, 200, account);
  }

  homes(response, method, account, body) {
    if (method === 'POST') {
      if (!account.isOperator) throw new Refusal(404, 'not-found', 'There is nothing here.');
      const id = body.name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
      this.world.homes.set(id, { id, name: body.name, members: new Map(), rights: new Map(), cameras: new Map() });
      return this.json(response, 201, { id, name: body.name, role: null });
    }
    const homes = account.isOperator
      ? [...this.world.homes.values()].map(({ id, name, cameras, members, suspended }) => ({ id, name, cameras: cameras.size, people: members.size, role: null, suspended: suspended ?? null }))
      : this.sessionObject(account).homes;
    return this.json(response, 200, { homes });
  }

  inviteOwner(response, account, path, body) {
    const home = this.world.homes.get(path.split('/')[1]);
    if (!account.isOperator || !home) throw new Refusal(404, 'no-such-home', 'There is no such home.');
    if (home.members.size > 0) throw new Refusal(409, 'home-has-members', 'Somebody lives there.');
    const { invitations } = this.world;
    for (const [id, one] of invitations) if (one.home === home.id) invitations.delete(id);
    const one = { id: `i${invitations.size}`, home: home.id, token: `cmi_${randomBytes(32).toString('base64url')}`, state: 'open', role: 'owner', label: body.label ?? '', cameras: [], used_by: null, made_by: null, expires: iso(this.now() + (body.days ?? 7) * 86_400_000) };
    invitations.set(one.id, one);
    return this.json(response, 201, one);
  }

  inHome(request, response, url, parts, account, body) {
    const home = this.world.homes.get(url.searchParams.get('home') ?? '');
    if (!home || !home.members.has(account.id)) throw noSuchCamera();
    const role = home.members.get(account.id);
    const [thing, id, more, last] = parts;
    const { method } = request;
    if (thing === 'events') return this.events(request, response, home, account);
    if (thing === 'cameras' && home.suspended) throw new Refusal(403, 'home-suspended', 'It is held off.');
    if (thing === 'cameras' && !id && method === 'GET')
      return this.json(response, 200, { cameras: [...home.cameras.values()].filter((camera) => maySee(home, account.id, camera.id)).map((camera) => cameraObject(camera, home, account.id, this.streamsOf(camera.id).length)) });
    if (thing === 'watching' || thing === 'audit' || more === 'viewings') {
      if (role !== 'owner') throw new Refusal(403, 'not-allowed', 'Only for owners.');
      if (thing === 'watching' && method === 'DELETE') {
        (this.world.endedWatching ??= []).push(id);
        return this.json(response, 204);
      }
      if (thing === 'watching') return this.json(response, 200, { watching: this.watching(home) });
      return this.json(response, 200, more === 'viewings' ? this.viewings(home, id, url.searchParams) : this.audit(home, url.searchParams));
    }
    if (thing === 'cameras' && id !== 'probe' && id) {
      const camera = home.cameras.get(id);
      if (!camera || !maySee(home, account.id, id)) throw noSuchCamera();
      if (more === 'live.mp4') return this.live(request, response, url, camera, account);
      if (more === 'still.jpg') return this.still(response, camera);
      if (method === 'GET') return this.json(response, 200, cameraObject(camera, home, account.id, 0));
    }
    if (role !== 'owner') throw new Refusal(403, 'owner-only', 'Only an owner may do this.');
    if (thing === 'everyone') return this.everyone(response, method, home, account, body);
    if (thing === 'invitations') return this.invitations(response, method, home, account, id, body);
    if (thing === 'groups') return this.groups(response, method, home, id, body);
    if (more === 'groups') return this.groupRights(response, method, home, id, last, body);
    if (thing === 'tokens') return this.tokens(response, method, home, account, id, body);
    if (thing === 'links') return this.links(response, method, home, account, null, id, body);
    if (more === 'links') return this.links(response, method, home, account, id, null, body);
    if (thing === 'cameras') return this.changeCamera(response, method, home, account, id, body);
    return this.people(response, method, home, account, [id, more, last], body);
  }

  changeCamera(response, method, home, account, id, body) {
    if (id === 'probe') return this.probe(response, body);
    if (!id) {
      const camera = addCamera(this.world, home, body);
      this.tellCamera(camera);
      return this.json(response, 201, cameraObject(camera, home, account.id, 0));
    }
    const camera = home.cameras.get(id);
    if (method === 'DELETE') {
      this.endStreams(id);
      home.cameras.delete(id);
      this.tell(() => true, 'camera-gone', { home: home.id, id });
      return this.json(response, 204);
    }
    Object.assign(camera, body);
    if (body.password) Object.assign(camera, { state: 'live', cause: null });
    this.tellCamera(camera);
    const answer = cameraObject(camera, home, account.id, 0);
    if (this.world.overtake) this.world.overtake(camera); // what happens before the answer is there
    setTimeout(() => this.json(response, 200, answer), this.world.overtake ? 200 : 0);
    return undefined;
  }

  /* The address names the failure: rtsp://timeout.test/ answers as a camera that never does. */
  async probe(response, body) {
    this.world.probes.push(body);
    await new Promise((done) => setTimeout(done, 150));
    const cause = /^rtsp:\/\/([a-z_]+)\.test/.exec(body.main)?.[1];
    const subCause = /^rtsp:\/\/([a-z_]+)\.test/.exec(body.sub ?? '')?.[1];
    if (cause ?? subCause)
      return this.json(response, 200, { ok: false, failure: cause ?? subCause, failed_stream: cause ? 'main' : 'sub', detail: (cause ?? subCause) === 'codec_unsupported' ? 'H265' : 'told by the server', main: null, sub: null, still: null, transport: null });
    return this.json(response, 200, {
      ok: true, failure: null, failed_stream: null, detail: null, transport: 'tcp',
      main: { codec: 'avc1.64001F', width: 1920, height: 1080, fps: 25 }, sub: body.sub ? { codec: 'avc1.42C01F', width: 640, height: 360, fps: 12.5 } : null,
      still: `data:image/jpeg;base64,${this.media[1].still.toString('base64')}`,
    });
  }

  watching(home) {
    const ended = this.world.endedWatching ?? [];
    return [...home.cameras.values()].flatMap((camera) => [
      ...this.streamsOf(camera.id).map(({ account, since }) => ({
        camera: camera.id, path: 'mp4', ...this.whoIs(account), since: iso(since), session: `of-${account}`, device: 'Firefox on Linux',
        is_program: false, is_this: account === 'anna',
      })),
      ...(camera.guests ?? []).map(({ account, name, since }) => ({
        camera: camera.id, path: 'webrtc', account, name, since, session: `phone-of-${account}`, device: 'Chrome on Android', is_program: false, is_this: false,
      })),
      ...(camera.guests ?? []).slice(0, 1).map(({ since }) => ({
        camera: camera.id, path: 'rtsp', account: 'anna', name: 'Anna', since, session: 'frigate', device: '', is_program: true, is_this: false,
      })),
    ]).filter((one) => !ended.includes(one.session));
  }

  /* Marco on two devices, Elena on one, who belongs to another home too; two programs. */
  everyone(response, method, home, account, body) {
    const count = { people: 2, elsewhere: 1, sessions: 3, programs: 2, invitations: 1, links: 1, watching: 4, programs_watching: 2 };
    if (method === 'GET') return this.json(response, 200, count);
    this.world.loggedOut = body;
    return this.json(response, 200, {
      ...count, programs: body.programs ? 2 : 0, programs_watching: body.programs ? 2 : 0, cameras: home.cameras.size, at: iso(this.now()), by: { id: account.id, name: account.name },
    });
  }

  /* Who saw: always Marco an hour ago, and Zia, who was cut off. */
  viewings(home, camera, asked) {
    const at = (minutes) => this.now() - minutes * 60_000;
    const one = (entry, account, begin, end, more = {}) => ({
      entry, account, name: this.world.accounts.get(account)?.name ?? null, path: 'webrtc', streams: ['sub'], begin: iso(at(begin)), end: end === null ? null : iso(at(end)),
      is_over: end !== null, cause: end === null ? '' : 'left', frames: [{ stream: 'sub', first: 7, last: 1206, frames: 1200, bytes: 900_000, first_epoch: 1, last_epoch: 1 }], ...more,
    });
    const all = [one(31, 'zia', 190, 180, { cause: 'no-grant', path: 'mp4' }), one(35, 'nobody-any-more', 120, 119, { path: 'still', frames: [] }), one(42, 'marco', 60, 55), one(50, 'anna', 2, null)];
    const [from, to] = [Date.parse(asked.get('from')), Date.parse(asked.get('to'))];
    return { viewings: all.filter((v) => Date.parse(v.begin) < to && (v.end === null || Date.parse(v.end) >= from)), has_more: false };
  }

  audit(home, asked) {
    const groups = asked.get('groups')?.split(',');
    const before = Number(asked.get('before') ?? Infinity);
    const names = (entry) => ({ camera: null, account: null, other: null, ...entry, name: this.world.accounts.get(entry.account)?.name ?? null, other_name: this.world.accounts.get(entry.other)?.name ?? null });
    const happened = [
      ['views', { kind: 'view-begin', camera: 'garden', account: 'anna', path: 'webrtc' }],
      ['views', { kind: 'view-end', camera: 'front-door', account: 'marco', path: 'webrtc', since: iso(this.now() - 6_300_000), cause: 'left', frames: [{ stream: 'sub', first: 7, last: 1206, frames: 1200 }] }],
      ['refusals', { kind: 'view-refused', camera: 'garage', account: 'marco', cause: 'no-grant', count: 12, since: iso(this.now() - 3_000_000) }],
      ['refusals', { kind: 'sign-in-refused', cause: 'wrong-name-or-password', count: 1 }],
      ['people', { kind: 'sign-in', account: 'anna', method: 'passkey', network: '192.168.1.20', device: 'Chrome on Android' }],
      ['rights', { kind: 'grant-put', camera: 'front-door', account: 'anna', other: 'zia', rights: ['view', 'listen'] }],
      ['rights', { kind: 'cut', camera: 'garden', other: 'zia', count: 1 }],
      ['rights', { kind: 'grant-removed', camera: 'garden', account: 'anna', other: 'zia' }],
      ['people', { kind: 'member-added', account: 'anna', other: 'nobody-any-more', role: 'guest' }],
      ['cameras', { kind: 'camera-added', camera: 'a-camera-that-was', account: 'anna' }],
      ['rights', { kind: 'group-grant-put', group: 'outside', account: 'anna', other: 'zia', rights: ['view'], days: ['mon', 'tue', 'wed'], from: '18:00', to: '22:00', not_before: null, not_after: null }],
      ['people', { kind: 'invitation-taken', account: 'marco', other: 'k3m2', role: 'guest' }],
      ['people', { kind: 'password-reset', other: 'zia', command: true }],
      ['people', { kind: 'something-of-next-year' }],
    ].map(([group, entry], index) => [group, names({ number: 60 - index, time: iso(this.now() - (index + 1) * 50 * 60_000), ...entry })]);
    const found = happened.filter(([group, entry]) => entry.number < before && (!groups || groups.includes(group))).map(([, entry]) => entry);
    return { entries: found.slice(0, 8), has_more: found.length > 8 };
  }

  personObject(home, id) {
    const cameras = [...home.cameras.keys()].filter((camera) => home.members.get(id) !== 'owner' && maySee(home, id, camera));
    return {
      account: id, name: this.world.accounts.get(id).name, role: home.members.get(id), cameras: cameras.map((camera) => ({ camera, ...NO_TERMS, ...home.terms?.get(`${id}/${camera}`), rights: rightsOf(home, id, camera) })),
      sessions: [...this.world.sessions.values()].filter((account) => account === id).length,
      watching: [...new Set([...this.world.streams].filter((stream) => stream.account === id).map((stream) => stream.camera.id))],
    };
  }

  people(response, method, home, account, [id, more, camera], body) {
    if (!id && method === 'GET') return this.json(response, 200, { people: [...home.members.keys()].map((one) => this.personObject(home, one)) });
    if (!id) {
      if ([...this.world.accounts.values()].some((one) => one.name === body.name)) throw new Refusal(409, 'name-taken', 'Somebody has this name.', { field: 'name' });
      const fresh = { id: `p${this.world.accounts.size}`, name: body.name, password: body.password, isOperator: false };
      this.world.accounts.set(fresh.id, fresh);
      home.members.set(fresh.id, body.role);
      return this.json(response, 201, this.personObject(home, fresh.id));
    }
    if (camera && method === 'GET') {
      const rights = rightsOf(home, id, camera);
      const reason = home.why ?? (home.members.get(id) === 'owner' ? 'owner' : rights.length > 0 ? 'grant' : 'no-grant');
      const allowed = ['owner', 'grant'].includes(reason);
      return this.json(response, 200, {
        account: id, camera, allowed, reason, sentence: reason, rights: allowed ? rights : [], grant: null, until: null,
        opens: reason === 'not-these-hours' ? iso(Date.now() + 3_600_000) : null, history_from: null,
      });
    }
    if (camera && method === 'PUT') {
      if (!body.rights.includes('view')) throw new Refusal(400, 'bad-rights', 'Not without view.', { field: 'rights' });
      home.rights.set(id, (home.rights.get(id) ?? new Map()).set(camera, body.rights));
      home.terms ??= new Map();
      home.terms.set(`${id}/${camera}`, { ...body, not_before: utc(body.not_before), not_after: utc(body.not_after) });
      this.tellCamera(home.cameras.get(camera));
      return this.json(response, 200, this.personObject(home, id));
    }
    if (camera) {
      this.cut(id, camera, home.id);
      return this.json(response, 204);
    }
    if (more === 'hand-over') {
      home.members.set(id, 'owner');
      if (body.then === 'leave') home.members.delete(account.id);
      else home.members.set(account.id, body.then);
      return this.json(response, 204);
    }
    const owners = [...home.members.values()].filter((role) => role === 'owner').length;
    const isLast = home.members.get(id) === 'owner' && owners === 1;
    if (isLast && (method === 'DELETE' || body.role !== 'owner')) throw new Refusal(409, 'last-owner', 'A home needs an owner.');
    if (method === 'DELETE') {
      for (const one of home.cameras.keys()) this.cut(id, one, home.id);
      home.members.delete(id);
      return this.json(response, 204);
    }
    home.members.set(id, body.role);
    return this.json(response, 200, this.personObject(home, id));
  }

  still(response, camera) {
    if (['unreachable', 'wrong_password'].includes(camera.state) && !camera.hasOldStill) throw new Refusal(503, 'camera-not-ready', 'No picture yet.', { retry_after_s: 2 });
    const age = camera.stalledAt === null ? 800 : this.now() - camera.stalledAt;
    response.writeHead(200, { 'content-type': 'image/jpeg', 'cache-control': 'no-store', 'casement-capture-time': iso(this.now() - age), 'casement-age-ms': String(age) });
    response.end(this.media[camera.look].still);
  }

  live(request, response, url, camera, account) {
    if (camera.state !== 'live') throw new Refusal(503, 'camera-not-ready', 'No picture yet.', { retry_after_s: 2 });
    const name = url.searchParams.get('stream') ?? 'main';
    const media = this.media[camera.look][name];
    response.writeHead(200, { 'content-type': 'video/mp4; codecs="avc1.42C01F"', 'cache-control': 'no-store' });
    if (camera.isDeaf) return;
    response.write(media.init);
    const captureOf = (index) => camera.startedAt + (index * 1000) / FPS;
    const newest = () => Math.floor(((Math.min(Date.now(), camera.stalledAt ?? Infinity) - camera.delayMs - camera.startedAt) * FPS) / 1000);
    let next = newest() - (newest() % GOP);
    const keyframeMs = captureOf(next + GOP); // when the one after that which it begins with is there
    const sendDue = () => {
      const due = [];
      for (; next <= newest(); next++)
        if (!(camera.leftOut?.(captureOf(next)) ?? false)) due.push(frameAt(media, next, captureOf(next) + this.world.clockSkewMs, { hasPrft: camera.hasPrft }));
      if (due.length > 0) response.write(Buffer.concat(due));
    };
    const stream = { camera, account: account.id, stream: name, since: this.now(), keyframeMs, timer: setInterval(sendDue, 10) };
    stream.end = () => (response.stream ? response.stream.close(8) : response.destroy());
    const over = () => {
      clearInterval(stream.timer);
      if (this.world.streams.delete(stream)) this.tellViewers(camera);
    };
    response.on('close', over);
    this.world.streams.add(stream);
    sendDue();
    this.tellViewers(camera);
  }

  events(request, response, home, account) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const client = {
      account: account.id, home: home.id,
      send: (event, data) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
    };
    client.send('hello', { server_time: iso(this.now()) });
    client.send('home', { home: home.id, suspended: home.suspended ?? null });
    this.world.events.add(client);
    response.on('close', () => this.world.events.delete(client));
    for (const camera of home.cameras.values()) if (maySee(home, account.id, camera.id)) this.tellViewers(camera);
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  if (request.headers['content-type'] === 'text/csv') return text;
  return text.length > 0 ? JSON.parse(text) : {};
}
