/* Where one is signed in: this device, the others, and the way to end each or all of them. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { SignedInAt } from '../api/types';
import { shortTime, t } from '../i18n';
import { signedOut } from '../state/session';
import { notify } from '../ui/announce';
import { Alert, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { HoldButton, Sheet } from '../ui/sheet';

const nameOf = (one: SignedInAt): string => one.device || t('sessions.unknown');
const isPhone = (one: SignedInAt): boolean => /Android|iPhone|iPad/.test(one.device);

function EndSheet({ one, onClose, onDone }: { one: SignedInAt; onClose(): void; onDone(): void }) {
  const { isBusy, error, run } = useSubmit();
  return (
    <Sheet title={t('sessions.endTitle', { device: nameOf(one) })} onClose={onClose}>
      <ul class="consequences">
        <li>{t('sessions.endNow')}</li>
        <li>{t('sessions.endLater')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={t('sessions.end')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.endSession(one.id);
        notify(t('sessions.ended'));
        onDone();
        onClose();
      })} />
    </Sheet>
  );
}

function EndOthersSheet({ count, onClose, onDone }: { count: number; onClose(): void; onDone(): void }) {
  const { isBusy, error, run } = useSubmit();
  return (
    <Sheet title={t('sessions.endAllTitle')} onClose={onClose}>
      <ul class="consequences">
        <li>{t('sessions.endAllNow', { count })}</li>
        <li>{t('sessions.endAllThis')}</li>
        <li>{t('sessions.endAllPassword')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={t('sessions.endAll')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.endOtherSessions();
        notify(t('sessions.ended'));
        onDone();
        onClose();
      })} />
    </Sheet>
  );
}

function Row({ one, onEnd }: { one: SignedInAt; onEnd(): void }) {
  const where = one.network && t('sessions.from', { network: one.network });
  return (
    <li class="row">
      <span class="row-icon"><Icon name={isPhone(one) ? 'phone' : 'picture'} /></span>
      <div class="row-text">
        <strong>{nameOf(one)}</strong>{one.is_this && <> <span class="badge">{t('sessions.this')}</span></>}
        <span class="quiet">
          {one.is_this ? t('sessions.now') : t('sessions.used', { time: shortTime(Date.parse(one.last_used)) })}
          {where && <> · <bdi>{where}</bdi></>}
        </span>
        <span class="quiet">{t('sessions.since', { time: shortTime(Date.parse(one.created)) })} · {t(`method.${one.method}`)}</span>
      </div>
      {one.is_this
        ? <button type="button" class="button" onClick={() => void api.signOut().then(() => { signedOut(); location.hash = '#/'; })}>{t('settings.signOut')}</button>
        : <button type="button" class="button" onClick={onEnd}>{t('sessions.end')}<span class="unseen"> {nameOf(one)}</span></button>}
    </li>
  );
}

export function Sessions() {
  const [all, setAll] = useState<SignedInAt[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [ending, setEnding] = useState<SignedInAt | 'others' | null>(null);
  const load = () => void api.sessions().then((found) => { setAll(found); setError(null); }, setError);
  useEffect(load, []);
  const others = (all ?? []).filter((one) => !one.is_this);
  const close = () => setEnding(null);
  return (
    <Page title={t('sessions.title')} about={t('sessions.about')} back="#/settings">
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {all && (
        <ul class="rows card">
          {[...all.filter((one) => one.is_this), ...others].map((one) => <Row key={one.id} one={one} onEnd={() => setEnding(one)} />)}
        </ul>
      )}
      {others.length > 0 && (
        <button type="button" class="button" onClick={() => setEnding('others')}><Icon name="out" /> {t('sessions.endAll')}</button>
      )}
      {all && others.length === 0 && <p class="quiet">{t('sessions.only')}</p>}
      {ending === 'others' && <EndOthersSheet count={others.length} onClose={close} onDone={load} />}
      {ending !== null && ending !== 'others' && <EndSheet one={ending} onClose={close} onDone={load} />}
    </Page>
  );
}
