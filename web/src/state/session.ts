/* Who is signed in, and what the server says of itself. */

import { api, asProblem, Problem, whenHeldOff, whenSignedOut } from '../api/client';
import type { Home, ServerInfo, Session } from '../api/types';
import { clock } from './clock';
import { createStore } from './store';

export type SessionState =
  | { kind: 'loading' }
  | { kind: 'offline' }
  | { kind: 'signed-out'; hasEnded: boolean }
  | { kind: 'signed-in'; session: Session };

export const session = createStore<SessionState>({ kind: 'loading' });
export const server = createStore<ServerInfo | null>(null);

const CLOCK_EVERY_MS = 240_000;
const RETRY_MS = 3_000;

export function signedIn(value: Session): void {
  session.set({ kind: 'signed-in', session: value });
}

export function signedOut(): void {
  const was = session.get().kind;
  session.set({ kind: 'signed-out', hasEnded: was === 'signed-in' });
}

let isLooking = false;

/* Homes, roles and what holds a home off may be others than a moment ago. */
export async function lookAgain(): Promise<void> {
  if (isLooking) return;
  isLooking = true;
  const found = await api.session().catch(() => null);
  isLooking = false;
  if (found && session.get().kind === 'signed-in') signedIn(found);
}

/* The events of a home tell whether it is held off. False: it is as it was known to be. */
export function noteHeld(home: string, held: NonNullable<Home['suspended']> | null): boolean {
  const now = session.get();
  if (now.kind !== 'signed-in') return false;
  const known = now.session.homes.find((one) => one.id === home);
  if (!known || JSON.stringify(known.suspended ?? null) === JSON.stringify(held)) return false;
  const homes = now.session.homes.map((one) => (one.id === home ? { ...one, suspended: held } : one));
  signedIn({ ...now.session, homes });
  return true;
}

const DOUBT_MS = 800;
let isDoubted = false;

/* A request found no session. It may have been on its way with a token that has been replaced (in
 * this tab or another) a moment ago: only who is a stranger a little later as well is signed out. */
export async function doubt(): Promise<void> {
  if (isDoubted || session.get().kind !== 'signed-in') return;
  isDoubted = true;
  await new Promise((done) => setTimeout(done, DOUBT_MS));
  isDoubted = false;
  const response = await fetch('/api/v1/session', { credentials: 'same-origin', cache: 'no-store' }).catch(() => null);
  if (response?.status === 401 && session.get().kind === 'signed-in') signedOut();
}

/* Asks the server who we are; while it can't be reached, again every few seconds. */
export async function begin(): Promise<void> {
  whenSignedOut(() => void doubt());
  whenHeldOff(() => void lookAgain());
  try {
    const [info, found] = await Promise.all([
      api.server(),
      api.session().catch((error: unknown) => {
        if (error instanceof Problem && error.status === 401) return null;
        throw error;
      }),
    ]);
    server.set(info);
    if (found) signedIn(found);
    else session.set({ kind: 'signed-out', hasEnded: false });
    keepClock();
  } catch (error) {
    if (asProblem(error).status !== 0 && asProblem(error).status < 500) {
      session.set({ kind: 'signed-out', hasEnded: false });
      return;
    }
    session.set({ kind: 'offline' });
    setTimeout(() => void begin(), RETRY_MS);
  }
}

let clockTimer: ReturnType<typeof setInterval> | undefined;

function keepClock(): void {
  if (clockTimer !== undefined) return;
  /* What was asked before the first account was made may be answered after it. */
  const ask = () => void api.server().then((info) => server.update((known) =>
    ({ ...info, setup_needed: info.setup_needed && known?.setup_needed !== false })), () => undefined);
  clockTimer = setInterval(ask, CLOCK_EVERY_MS);
  clock.onLost = ask;
  setTimeout(ask, 1_500); // a second sample: the first one paid for the connection
  document.addEventListener('visibilitychange', () => !document.hidden && ask());
}

export const homesOf = (state: SessionState): Home[] =>
  state.kind === 'signed-in' ? state.session.homes : [];
