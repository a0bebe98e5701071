/* Guest links of one camera: making one, its address and QR code (told once), who opened it, how long it goes on, and
 * the end of it. */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import type { Camera, GuestLink, Home } from '../api/types';
import { dayAndTime, duration, list, number, t } from '../i18n';
import { clock } from '../state/clock';
import { useTick } from '../state/store';
import { notify } from '../ui/announce';
import { Alert, Choices, Field, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { QrCode } from '../ui/qr-code';
import { Sheet } from '../ui/sheet';
import { TimeField } from '../ui/time-field';

const HOURS = ['1', '2', '24', '168'] as const;
const TIMES = ['any', '1', '5'] as const;
const RELOAD_MS = 10_000; // who opened one meanwhile

const now = (): number => clock.now() ?? Date.now();

/* "90 min", "3 h", "2 days" */
const leftOf = (ms: number): string =>
  (ms < 48 * 3_600_000 ? duration(ms) : t('share.days', { count: Math.round(ms / 86_400_000) }));

const lengthOf = (hours: number): string =>
  (hours < 48 ? t('unit.hour', { value: number(hours) }) : t('share.days', { count: hours / 24 }));

interface Made {
  link: string;
  from: string;
  until: string;
  isLater: boolean;
}

function Ready({ zone, link, from, until, isLater, onDone }: Made & { zone: string | undefined; onDone(): void }) {
  const at = (moment: string) => dayAndTime(Date.parse(moment), zone);
  const copy = () => void navigator.clipboard.writeText(link).then(() => notify(t('invite.copied')), () => undefined);
  const send = () => void navigator.share({ url: link }).catch(() => undefined);
  return (
    <>
      <p>{t(isLater ? 'share.onceLater' : 'share.once', { from: at(from), time: at(until) })}</p>
      <QrCode text={link} label={t('share.qr')} />
      <p class="link" dir="ltr">{link}</p>
      <div class="share-ways">
        {'share' in navigator && (
          <button type="button" class="button is-primary" onClick={send}><Icon name="out" /> {t('share.send')}</button>
        )}
        <button type="button" class={`button${'share' in navigator ? '' : ' is-primary'}`} onClick={copy}><Icon name="copy" /> {t('invite.copy')}</button>
        <button type="button" class="button" onClick={onDone}>{t('share.done')}</button>
      </div>
    </>
  );
}

function Making({ camera, zone, onMade }: { camera: Camera; zone: string | undefined; onMade(made: Made): void }) {
  const [label, setLabel] = useState('');
  const [from, setFrom] = useState('');
  const [hours, setHours] = useState<(typeof HOURS)[number]>('2');
  const [times, setTimes] = useState<(typeof TIMES)[number]>('any');
  const [hasTried, setHasTried] = useState(false);
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    setHasTried(true);
    if (label.trim() === '') return;
    void run(async () => {
      const made = await api.makeLink(camera.home, camera.id, {
        label: label.trim(), lasts_s: Number(hours) * 3600, ...(from === '' ? {} : { from }),
        ...(times === 'any' ? {} : { opened_max: Number(times) }),
      });
      onMade({ link: `${location.origin}/#look=${made.secret}`, from: made.from, until: made.until, isLater: made.state === 'not-yet' });
    });
  };
  const isBadTime = error !== null && asProblem(error).name_ === 'bad-time';
  return (
    <form class="form" onSubmit={submit} noValidate>
      <p class="quiet">{t('share.intro', { camera: camera.name })}</p>
      {error !== null && !isBadTime && <Alert>{sentenceFor(error)}</Alert>}
      <Field label={t('share.label')} hint={t('share.labelHint')} value={label} onInput={setLabel} isFocused
        error={hasTried && label.trim() === '' ? t('field.required') : ''} />
      <TimeField label={t('share.from')} type="datetime-local" value={from} onInput={setFrom} error={isBadTime ? t('share.badTime') : ''}
        hint={[t('share.fromHint'), zone && t('rights.clock', { zone: zone.replace(/_/g, ' ') })].filter(Boolean).join(' ')} />
      <Choices legend={t('share.lasts')} value={hours} isRow onChange={(value) => setHours(value)}
        choices={HOURS.map((value) => ({ value, label: lengthOf(Number(value)) }))} />
      <Choices legend={t('share.times')} value={times} isRow onChange={(value) => setTimes(value)}
        choices={TIMES.map((value) => ({ value, label: value === 'any' ? t('share.anyTimes') : t('share.openings', { count: Number(value) }) }))} />
      <button class="button is-primary" aria-disabled={isBusy}>{t('share.make')}</button>
    </form>
  );
}

const goesOn = (link: GuestLink): boolean => ['open', 'not-yet', 'used-up'].includes(link.state);

function stateOf(link: GuestLink, zone: string | undefined): string {
  const left = Date.parse(link.until) - now();
  if (!goesOn(link)) return t(`share.state.${link.state as 'over' | 'revoked' | 'without-maker'}`);
  if (left <= 0) return t('share.state.over');
  if (link.state === 'not-yet') return t('share.begins', { time: dayAndTime(Date.parse(link.from), zone) });
  return t('share.left', { duration: leftOf(left) });
}

function openedBy(link: GuestLink): string {
  if (link.opened === 0) return t('share.unopened');
  const devices = [...new Set(link.looks.map((look) => look.device || look.network).filter(Boolean))];
  const opened = t('share.opened', { count: link.opened });
  return devices.length > 0 ? `${opened}: ${list(devices)}` : opened;
}

function Links({ links, zone, onRevoke }: { links: GuestLink[]; zone: string | undefined; onRevoke(link: GuestLink): void }) {
  useTick(1_000);
  return (
    <ul class="rows">
      {links.map((link) => (
        <li key={link.id} class="row" data-state={link.state}>
          <span class="row-icon"><Icon name={goesOn(link) ? 'eye' : 'off'} /></span>
          <div class="row-text">
            <strong>{link.label}</strong>
            <span class="quiet">{stateOf(link, zone)} · {openedBy(link)}</span>
          </div>
          {goesOn(link) && Date.parse(link.until) > now() && (
            <button type="button" class="button is-small" onClick={() => onRevoke(link)}>
              {t('share.revoke')}<span class="unseen"> {link.label}</span>
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

export function ShareSheet({ home, camera, onClose }: { home: Home; camera: Camera; onClose(): void }) {
  const zone = home.time_zone;
  const [links, setLinks] = useState<GuestLink[]>([]);
  const [made, setMade] = useState<Made | null>(null);
  const { error, setError, run } = useSubmit();
  const load = () => void api.links(camera.home).then((all) => setLinks(all.filter((one) => one.camera === camera.id)), setError);
  useEffect(() => {
    load();
    const timer = setInterval(load, RELOAD_MS);
    return () => clearInterval(timer);
  }, [camera.id]);
  const revoke = (link: GuestLink) => void run(async () => {
    await api.revokeLink(camera.home, link.id);
    notify(t('share.revoked', { name: link.label }));
    load();
  });
  return (
    <Sheet title={t(made ? 'share.ready' : 'share.title')} onClose={onClose}>
      {made ? <Ready {...made} zone={zone} onDone={() => setMade(null)} />
        : <Making camera={camera} zone={zone} onMade={(link) => { setMade(link); load(); }} />}
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {!made && links.length > 0 && (
        <section class="share-links">
          <h3>{t('share.links')}</h3>
          <Links links={links} zone={zone} onRevoke={revoke} />
        </section>
      )}
    </Sheet>
  );
}
