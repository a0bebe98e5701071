/*
 * What is loaded first: it asks the server who we are, and fetches the words of the language and the
 * rest of the app side by side.
 */

import './css/app.css';
import { loadLanguage, preferredLanguage, type Language } from './i18n';
import { applyTheme } from './state/prefs';
import { begin } from './state/session';

/* For when there are no other words. */
const LOST: Record<Language, readonly [string, string]> = {
  en: ['casement could not be loaded whole.', 'Load again'],
  hi: ['casement पूरा लोड नहीं हुआ।', 'फिर से लोड करें'],
  it: ['casement non si è caricato per intero.', 'Ricarica'],
};

function tellLost(place: HTMLElement): void {
  const [what, again] = LOST[preferredLanguage()];
  const main = document.createElement('main');
  const text = document.createElement('p');
  const button = document.createElement('button');
  main.className = 'page';
  text.setAttribute('role', 'alert');
  text.textContent = what;
  button.className = 'button is-primary';
  button.textContent = again;
  button.onclick = () => location.reload();
  main.append(text, button);
  place.replaceChildren(main);
}

async function start(place: HTMLElement): Promise<void> {
  const words = loadLanguage(preferredLanguage()).catch(() => loadLanguage('en'));
  const [{ show }] = await Promise.all([import('./app'), words]);
  show(place);
}

applyTheme();
const place = document.getElementById('app');
if (place) {
  void begin();
  start(place).catch(() => tellLost(place));
}
