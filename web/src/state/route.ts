/* Where the app is: the fragment of the address, which never leaves the browser. */

import { createStore } from './store';

export type Route =
  | { page: 'start' }
  | { page: 'setup'; token: string }
  | { page: 'join'; token: string }
  | { page: 'look'; secret: string | null } // a guest's; null: he opened his link before
  | { page: 'wall'; home: string }
  | { page: 'camera'; home: string; camera: string }
  | { page: 'add'; home: string }
  | { page: 'edit'; home: string; camera: string }
  | { page: 'publish'; home: string; camera: string }
  | { page: 'people'; home: string }
  | { page: 'invitations'; home: string }
  | { page: 'programs'; home: string }
  | { page: 'groups'; home: string }
  | { page: 'house'; home: string }
  | { page: 'safety'; home: string }
  | { page: 'settings' }
  | { page: 'sessions' }
  | { page: 'passkeys' }
  | { page: 'welcome' }
  | { page: 'homes' };

export function parseRoute(fragment: string): Route {
  const text = fragment.replace(/^#/, '');
  if (text.startsWith('setup=')) return { page: 'setup', token: text.slice('setup='.length) };
  if (text.startsWith('join=')) return { page: 'join', token: text.slice('join='.length) };
  if (text.startsWith('look=')) return { page: 'look', secret: text.slice('look='.length) };
  let parts: string[];
  try {
    parts = text.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return { page: 'start' };
  }
  const [page, home, camera] = parts;
  if (page === 'look') return { page, secret: null };
  if (page === 'settings' || page === 'sessions' || page === 'passkeys' || page === 'welcome' || page === 'homes') return { page };
  if (home && (page === 'wall' || page === 'add' || page === 'people' || page === 'invitations' || page === 'programs' || page === 'house' || page === 'groups' || page === 'safety')) return { page, home };
  if (home && camera && (page === 'camera' || page === 'edit' || page === 'publish')) return { page, home, camera };
  return { page: 'start' };
}

export function hrefOf(route: Route): string {
  const parts: string[] = [route.page];
  if ('home' in route) parts.push(route.home);
  if ('camera' in route) parts.push(route.camera);
  return route.page === 'start' ? '#/' : `#/${parts.map(encodeURIComponent).join('/')}`;
}

/* The secret of a guest link leaves the address bar before anything else is done: whoever looks over a shoulder, or at
 * the history of this browser, finds none. */
function readAddress(): Route {
  const found = parseRoute(location.hash);
  if (found.page === 'look' && found.secret !== null) history.replaceState(null, '', '#/look');
  return found;
}

export const route = createStore<Route>(readAddress());

addEventListener('hashchange', () => route.set(readAddress()));

export function go(to: Route, how: 'push' | 'replace' = 'push'): void {
  if (how === 'replace') {
    history.replaceState(null, '', hrefOf(to));
    route.set(to);
  } else location.hash = hrefOf(to);
}
