/* The choice between homes, for people who have more than one; on a phone a button, as the heading says which. */

import type { Home } from '../api/types';
import { t } from '../i18n';
import { go } from '../state/route';
import { Icon } from './icons';

export function HomePicker({ home, homes }: { home: Home | null; homes: Home[] }) {
  if (homes.length < 2) return null;
  return (
    <label class="nav-home">
      <span class="unseen">{t('nav.whichHome')}</span>
      <Icon name="homes" />
      <select value={home?.id ?? ''} onChange={(event) => go({ page: 'wall', home: event.currentTarget.value })}>
        {homes.map((other) => <option key={other.id} value={other.id}>{other.name}</option>)}
      </select>
    </label>
  );
}
