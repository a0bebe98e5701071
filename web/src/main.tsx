import { render } from 'preact';
import { App } from './app';
import './css/app.css';
import { loadLanguage, preferredLanguage } from './i18n';
import { applyTheme } from './state/prefs';
import { begin } from './state/session';

applyTheme();
const place = document.getElementById('app');
if (place) {
  const [, wordsAreIn] = [void begin(), loadLanguage(preferredLanguage()).catch(() => undefined)];
  void wordsAreIn.then(() => render(<App />, place));
}
