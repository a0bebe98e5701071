/* A home whose pictures an operator has stopped: who did, since when, and why. */

import { useEffect } from 'preact/hooks';
import type { Home } from '../api/types';
import { shortTime, t } from '../i18n';
import { lookAgain } from '../state/session';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';

const LOOK_MS = 15_000;

export function HeldOff({ home, held }: { home: Home; held: NonNullable<Home['suspended']> }) {
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) void lookAgain(); }, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <Page title={home.name}>
      <section class="card held" role="status">
        <h2><Icon name="hold" /> {t('held.title')}</h2>
        <p>{t('held.what', { name: held.by, why: held.why, time: shortTime(Date.parse(held.since)) })}</p>
        <p class="quiet">{t('held.back')}</p>
      </section>
    </Page>
  );
}
