/* Passkeys and recovery codes: made, named, removed; and offered right after the first run. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Passkey, PasskeyList } from '../api/types';
import { shortTime, t } from '../i18n';
import { arePasskeysHere, hasPasskeys, makePasskey, otherDoors } from '../state/passkeys';
import { hrefOf } from '../state/route';
import { server } from '../state/session';
import { useStore } from '../state/store';
import { notify } from '../ui/announce';
import { Alert, Field, Note, sentenceFor, Tick, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { HoldButton, Sheet } from '../ui/sheet';
import { EndOthers } from '../ui/end-others';
import { Totp } from './totp';

const when = (time: string) => shortTime(Date.parse(time));

/* What to call it: the device, as a person would. */
function thisDevice(): string {
  const agent = navigator.userAgent;
  const found = (['Android', 'iPhone', 'iPad', 'Windows', 'Mac', 'Linux'] as const).find((name) => agent.includes(name));
  return found ?? t('passkeys.thisDevice');
}

function NotHere() {
  const info = useStore(server);
  const doors = otherDoors(info);
  if (!hasPasskeys() && doors.length === 0) return <Note>{t('passkeys.noBrowser')}</Note>;
  return (
    <div class="alert is-plain" role="status">
      <p>{t(doors.length > 0 ? 'passkeys.needName' : 'passkeys.noName')}</p>
      {doors.length > 0 && (
        <ul class="stack">
          {doors.map((door) => <li key={door}><a href={`${door}/#/passkeys`} dir="ltr">{door}</a></li>)}
        </ul>
      )}
    </div>
  );
}

function MakeForm({ isOpen, onOpen, onDone, onClose }: { isOpen: boolean; onOpen(): void; onDone(): void; onClose(): void }) {
  const [name, setName] = useState(thisDevice);
  const { isBusy, error, run } = useSubmit();
  if (!isOpen)
    return <button type="button" class="button is-primary" onClick={onOpen}><Icon name="key" /> {t('passkeys.make')}</button>;
  const submit = (event: Event) => {
    event.preventDefault();
    void run(async () => {
      await makePasskey(name.trim() || thisDevice());
      notify(t('passkeys.made'));
      onDone();
    });
  };
  return (
    <form class="form" onSubmit={submit} noValidate>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <Field label={t('passkeys.name')} hint={t('passkeys.nameHint')} value={name} onInput={setName} isFocused />
      <div class="form-row">
        <button type="button" class="button" onClick={onClose}>{t('do.cancel')}</button>
        <button class="button is-primary" aria-disabled={isBusy}>{t('passkeys.make')}</button>
      </div>
    </form>
  );
}

function RenameSheet({ passkey, onClose, onDone }: { passkey: Passkey; onClose(): void; onDone(): void }) {
  const [name, setName] = useState(passkey.name);
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    void run(async () => {
      await api.renamePasskey(passkey.id, name.trim());
      onDone();
      onClose();
    });
  };
  return (
    <Sheet title={t('passkeys.rename')} onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        {error !== null && <Alert>{sentenceFor(error)}</Alert>}
        <Field label={t('passkeys.name')} value={name} onInput={setName} isFocused />
        <button class="button is-primary" aria-disabled={isBusy}>{t('do.save')}</button>
      </form>
    </Sheet>
  );
}

function RemoveSheet({ passkey, onClose, onDone }: { passkey: Passkey; onClose(): void; onDone(): void }) {
  const { isBusy, error, run } = useSubmit();
  return (
    <Sheet title={t('passkeys.removeTitle', { name: passkey.name })} onClose={onClose}>
      <ul class="consequences">
        <li>{t('passkeys.removeNow')}</li>
        <li>{t('passkeys.removeSessions')}</li>
        <li>{t('passkeys.removeThere')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={t('passkeys.remove')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.removePasskey(passkey.id);
        notify(t('passkeys.removed'));
        onDone();
        onClose();
      })} />
    </Sheet>
  );
}

function Row({ passkey, onRename, onRemove }: { passkey: Passkey; onRename(): void; onRemove(): void }) {
  return (
    <li class="row">
      <span class="row-icon"><Icon name="key" /></span>
      <div class="row-text">
        <strong>{passkey.name}</strong>{passkey.synced && <> <span class="badge">{t('passkeys.synced')}</span></>}
        <span class="quiet">
          {t('passkeys.created', { time: when(passkey.created) })} ·{' '}
          {passkey.last_used ? t('passkeys.used', { time: when(passkey.last_used) }) : t('passkeys.neverUsed')}
        </span>
        {passkey.site !== location.hostname && <span class="quiet">{t('passkeys.site', { site: passkey.site })}</span>}
      </div>
      <button type="button" class="icon-button" onClick={onRename} aria-label={`${t('passkeys.rename')}: ${passkey.name}`}><Icon name="edit" /></button>
      <button type="button" class="icon-button" onClick={onRemove} aria-label={`${t('passkeys.remove')}: ${passkey.name}`}><Icon name="trash" /></button>
    </li>
  );
}

/* Shown once: the server keeps only what it needs to know them again. */
function Codes({ codes, onClose }: { codes: string[]; onClose(): void }) {
  const [isSaved, setIsSaved] = useState(false);
  const copy = () => void navigator.clipboard.writeText(codes.join('\n'))
    .then(() => notify(t('codes.copied')), () => notify(t('codes.copyFailed')));
  return (
    <section class="card codes" aria-labelledby="codes-title">
      <h2 id="codes-title"><Icon name="key" /> {t('codes.new')}</h2>
      <p>{t('codes.once')}</p>
      <ol class="code-list" dir="ltr">{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ol>
      <div class="form-row is-screen">
        <button type="button" class="button" onClick={copy}><Icon name="copy" /> {t('codes.copy')}</button>
        <button type="button" class="button" onClick={() => window.print()}><Icon name="save" /> {t('codes.print')}</button>
      </div>
      <div class="is-screen stack">
        <Tick label={t('codes.saved')} hint={t('codes.savedHint')} isTicked={isSaved} onChange={setIsSaved} />
        <button type="button" class="button is-primary" aria-disabled={!isSaved} onClick={() => isSaved && onClose()}>{t('codes.done')}</button>
      </div>
    </section>
  );
}

function Recovery({ recovery, onCodes }: { recovery: PasskeyList['recovery']; onCodes(codes: string[]): void }) {
  const { isBusy, error, run } = useSubmit();
  const [isAsked, setIsAsked] = useState(false);
  const make = () => void run(async () => onCodes(await api.makeRecoveryCodes()));
  return (
    <section class="card">
      <h2>{t('codes.title')}</h2>
      <p>{t('codes.about')}</p>
      {recovery.made
        ? <p class={recovery.left < 3 ? 'error' : 'quiet'}>{t('codes.left', { count: recovery.left })} {t('passkeys.created', { time: when(recovery.made) })}</p>
        : <p class="quiet">{t('codes.none')}</p>}
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <div>
        <button type="button" class="button" aria-disabled={isBusy} onClick={() => (recovery.left > 0 ? setIsAsked(true) : make())}>
          <Icon name="lock" /> {t(recovery.made ? 'codes.again' : 'codes.make')}
        </button>
      </div>
      {isAsked && (
        <Sheet title={t('codes.again')} onClose={() => setIsAsked(false)}>
          <ul class="consequences"><li>{t('codes.void')}</li></ul>
          <HoldButton label={t('codes.make')} isBusy={isBusy} onHeld={() => { setIsAsked(false); make(); }} />
        </Sheet>
      )}
    </section>
  );
}

type Doing = { what: 'make' } | { what: 'rename' | 'remove'; passkey: Passkey };

/* `isFirst`: offered right after the first run, and easily left. */
export function Passkeys({ isFirst = false }: { isFirst?: boolean }) {
  const info = useStore(server);
  const [all, setAll] = useState<PasskeyList | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [doing, setDoing] = useState<Doing | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const [changes, setChanges] = useState(0);
  const load = () => void api.passkeys().then((found) => { setAll(found); setError(null); }, setError);
  useEffect(load, []);
  const close = () => setDoing(null);
  const changed = () => { setChanges(changes + 1); load(); };
  const isDone = (all?.passkeys.length ?? 0) > 0;
  return (
    <Page title={t(isFirst ? 'passkeys.first' : 'passkeys.title')} about={codes ? undefined : t('passkeys.about')} {...(isFirst ? {} : { back: '#/settings' })}>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {codes && <Codes codes={codes} onClose={() => { setCodes(null); load(); }} />}
      {all && !codes && (
        <>
          {changes > 0 && !isFirst && <EndOthers key={changes} />}
          {isDone && (
            <ul class="rows card">
              {all.passkeys.map((passkey) => (
                <Row key={passkey.id} passkey={passkey}
                  onRename={() => setDoing({ what: 'rename', passkey })} onRemove={() => setDoing({ what: 'remove', passkey })} />
              ))}
            </ul>
          )}
          {!isDone && !isFirst && <p class="quiet">{t('passkeys.none')}</p>}
          {arePasskeysHere(info)
            ? <div><MakeForm isOpen={doing?.what === 'make'} onOpen={() => setDoing({ what: 'make' })} onClose={close} onDone={() => { close(); changed(); }} /></div>
            : <NotHere />}
          <Recovery recovery={all.recovery} onCodes={setCodes} />
          {!isFirst && <Totp codesLeft={all.recovery.left} onChanged={changed} />}
          {isFirst && <a class="button" href={hrefOf({ page: 'start' })}>{t(isDone ? 'passkeys.goOn' : 'passkeys.later')}</a>}
        </>
      )}
      {doing?.what === 'rename' && <RenameSheet passkey={doing.passkey} onClose={close} onDone={load} />}
      {doing?.what === 'remove' && <RemoveSheet passkey={doing.passkey} onClose={close} onDone={changed} />}
    </Page>
  );
}
