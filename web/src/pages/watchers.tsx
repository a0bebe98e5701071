/*
 * Who watches a camera now: by which device, which way, since when; and the two ways to end it. A
 * view alone is not ended: it would be asked for again at once.
 */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Camera, Home, Watching } from '../api/types';
import { shortTime, t } from '../i18n';
import type { HomeData } from '../state/home';
import { hrefOf } from '../state/route';
import { useStore } from '../state/store';
import { notify } from '../ui/announce';
import { Alert, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { HoldButton, Sheet } from '../ui/sheet';

const PATHS = ['webrtc', 'mp4', 'still', 'whip', 'rtsp'] as const;
export const wayOf = (path: string | undefined): string => t(`safety.path.${PATHS.find((one) => one === path) ?? 'other'}`);

export const deviceOf = (one: Watching): string => one.device || t(one.is_program ? 'watchers.program' : 'sessions.unknown');

/* Looked at again whenever the events say that somebody came or went. */
export function useWatching(home: string, data: HomeData): { all: Watching[] | null; error: unknown; load(): void } {
  const viewers = useStore(data.viewers);
  const [all, setAll] = useState<Watching[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () => void api.watching(home).then((found) => { setAll(found); setError(null); }, setError);
  useEffect(load, [home, viewers]);
  return { all, error, load };
}

export function EndSheet({ home, one, onClose, onDone }: { home: string; one: Watching; onClose(): void; onDone(): void }) {
  const { isBusy, error, run } = useSubmit();
  const words = { name: one.name, device: deviceOf(one) };
  const label = t(one.is_program ? 'watchers.revoke' : 'watchers.signOut');
  return (
    <Sheet title={t('watchers.endTitle', words)} onClose={onClose}>
      <ul class="consequences">
        <li>{t(one.is_program ? 'watchers.revokeNow' : 'watchers.signOutNow')}</li>
        <li>{t(one.is_program ? 'watchers.revokeLater' : 'watchers.signOutLater', words)}</li>
        <li>{t('cut.others')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={label} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.endWatching(home, one.session);
        notify(t('watchers.ended', words));
        onDone();
        onClose();
      })} />
      <p class="quiet">{t('watchers.orRight', words)} <a href={hrefOf({ page: 'people', home })}>{t('watchers.rights')}</a></p>
    </Sheet>
  );
}

/* `where`: the camera's name, where several are listed. */
export function WatcherRow({ one, where, onEnd }: { one: Watching; where?: string; onEnd(): void }) {
  const about = [where, deviceOf(one), wayOf(one.path), t('safety.since', { time: shortTime(Date.parse(one.since)) })];
  return (
    <li class="row">
      <span class="row-icon"><Icon name={one.path === 'whip' ? 'phone' : 'eye'} /></span>
      <div class="row-text">
        <strong>{one.name}</strong>{one.is_this && <> <span class="badge">{t('sessions.this')}</span></>}
        <span class="quiet">{about.filter(Boolean).join(' · ')}</span>
      </div>
      {!one.is_this && one.session && (
        <button type="button" class="button is-small" onClick={onEnd}>{t('watchers.end')}<span class="unseen"> {one.name}</span></button>
      )}
    </li>
  );
}

export function WatchersSheet({ home, camera, data, onClose }: { home: Home; camera: Camera; data: HomeData; onClose(): void }) {
  const { all, error, load } = useWatching(home.id, data);
  const [ending, setEnding] = useState<Watching | null>(null);
  const here = (all ?? []).filter((one) => one.camera === camera.id);
  if (ending) return <EndSheet home={home.id} one={ending} onClose={() => setEnding(null)} onDone={load} />;
  return (
    <Sheet title={t('watchers.title', { camera: camera.name })} onClose={onClose}>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {all && here.length === 0 && <p class="quiet">{t('safety.nobody')}</p>}
      <ul class="rows">
        {here.map((one) => <WatcherRow key={`${one.session} ${one.path} ${one.since}`} one={one} onEnd={() => setEnding(one)} />)}
      </ul>
    </Sheet>
  );
}
