/* Every state a tile can be in, side by side, for screenshots; never part of the shipped app. */

import { render } from 'preact';
import '../../../web/src/css/app.css';
import { loadLanguage, preferredLanguage, t } from '../../../web/src/i18n';
import { Tile } from '../../../web/src/wall/tile';
import type { TileState } from '../../../web/src/wall/tile-state';
import { Announcer } from '../../../web/src/ui/announce';

const NOW = Date.now();
const TODAY = NOW - 125_000;

const STATES: TileState[] = [
  { kind: 'live' },
  { kind: 'behind', ageMs: 1_400 },
  { kind: 'behind', ageMs: null },
  { kind: 'small' },
  { kind: 'stills', takenMs: TODAY, why: 'connections' },
  { kind: 'frozen', takenMs: TODAY },
  { kind: 'frozen', takenMs: NOW - 3 * 86_400_000 },
  { kind: 'connecting', takenMs: TODAY },
  { kind: 'connecting', takenMs: null },
  { kind: 'off', by: 'Anna', sinceMs: TODAY },
  { kind: 'off', by: 'Anna', sinceMs: NOW - 3 * 86_400_000 },
  { kind: 'unreachable', cause: 'timeout', sinceMs: TODAY, nextTryMs: NOW + 600_000, takenMs: TODAY },
  { kind: 'unreachable', cause: 'connection_refused', sinceMs: NOW - 3 * 86_400_000, nextTryMs: null, takenMs: null },
  { kind: 'wrong-password', sinceMs: TODAY, mayFix: true },
  { kind: 'wrong-password', sinceMs: TODAY, mayFix: false },
  { kind: 'unsupported', cause: 'codec_unsupported' },
  { kind: 'not-now', fromMs: NOW + 3_600_000 },
  { kind: 'not-now', fromMs: NOW + 3 * 86_400_000 },
  { kind: 'held-off', why: 'Casa Verdi', by: 'Anna', sinceMs: TODAY },
  { kind: 'no-right' },
];

function Gallery() {
  return (
    <main class="page is-wide" id="content">
      <h1>{t('nav.home')}</h1>
      <ul class="wall has-16">
        {STATES.map((state, n) => (
          <li key={n}>
            <Tile name={`${t('add.nameExample')} ${n + 1}`} state={state} href="#/" viewers={n === 0 ? ['Marco', 'Zia Pina'] : n === 1 ? 3 : 0}
              action={state.kind === 'wrong-password' && state.mayFix
                ? <a class="button is-light" href="#/">{t('tile.changePassword')}</a>
                : state.kind === 'no-right' ? <button type="button" class="button is-light">{t('tile.dismiss')}</button> : null}>
              <div class="picture">
                {!(state.kind === 'connecting' && state.takenMs === null) && <img src="/gallery/still.jpg" alt="" />}
              </div>
            </Tile>
          </li>
        ))}
      </ul>
      <Announcer />
    </main>
  );
}

const place = document.getElementById('app');
if (place) void loadLanguage(preferredLanguage()).then(() => render(<Gallery />, place));
