/* The authenticator app: set up with a QR code or by hand, confirmed by its first code, removed. */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import type { TotpState, TotpTold } from '../api/types';
import { shortTime, t } from '../i18n';
import { signedIn } from '../state/session';
import { notify } from '../ui/announce';
import { Alert, Field, Note, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { qrOf } from '../ui/qr';
import { QrCode } from '../ui/qr-code';
import { HoldButton, Sheet } from '../ui/sheet';

/* A long name, percent-encoded, is more than a QR code of ours holds: then without it. */
const scanned = ({ uri, secret }: TotpTold): string =>
  qrOf(uri) ? uri : `otpauth://totp/casement?secret=${secret}&issuer=casement`;

const groupsOf = (secret: string): string[] => secret.match(/.{1,4}/g) ?? [];

function SetUpSheet({ told, onClose, onDone }: { told: TotpTold; onClose(): void; onDone(): Promise<void> }) {
  const [code, setCode] = useState('');
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    const isWhole = code.replace(/\s/g, '').length === 6;
    setFault(isWhole ? '' : t('code.six'));
    if (!isWhole) return;
    void run(async () => {
      try {
        await api.confirmTotp(code);
      } catch (problem) {
        setCode('');
        throw problem;
      }
      await onDone();
    });
  };
  const isWrong = error !== null && asProblem(error).name_ === 'wrong-code';
  return (
    <Sheet title={t('totp.setUp')} onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        <p>{t('totp.scan')}</p>
        <QrCode text={scanned(told)} label={t('totp.qr')} />
        <p class="hint">{t('totp.byHand')}</p>
        <p class="fingerprint secret" dir="ltr">{groupsOf(told.secret).map((group, n) => <span key={n}>{group}</span>)}</p>
        <a class="button is-plain" href={told.uri}><Icon name="phone" /> {t('totp.open')}</a>
        {error !== null && <Alert>{isWrong ? t('totp.wrong') : sentenceFor(error)}</Alert>}
        <Field label={t('totp.first')} value={code} onInput={setCode} error={fault} isCode />
        <button class="button is-primary is-wide" aria-disabled={isBusy}>{t('totp.confirm')}</button>
      </form>
    </Sheet>
  );
}

function RemoveSheet({ onClose, onDone }: { onClose(): void; onDone(): Promise<void> }) {
  const { isBusy, error, run } = useSubmit();
  return (
    <Sheet title={t('totp.removeTitle')} onClose={onClose}>
      <ul class="consequences">
        <li>{t('totp.removeNow')}</li>
        <li>{t('totp.removeApp')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={t('totp.remove')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.removeTotp();
        await onDone();
      })} />
    </Sheet>
  );
}

/* `codesLeft`: recovery codes, without which a lost phone is a lost account. */
export function Totp({ codesLeft, onChanged }: { codesLeft: number; onChanged(): void }) {
  const [state, setState] = useState<TotpState | null>(null);
  const [told, setTold] = useState<TotpTold | null>(null);
  const [isRemoving, setIsRemoving] = useState(false);
  const { isBusy, error, setError, run } = useSubmit();
  const load = () => api.totp().then(setState, setError);
  useEffect(() => void load(), []);
  const close = () => { setTold(null); setIsRemoving(false); };
  const done = (what: string) => async () => {
    signedIn(await api.session());
    await load();
    close();
    notify(what);
    onChanged();
  };
  const begin = () => void run(async () => setTold(await api.beginTotp()));
  const isOn = state !== null && state.state !== 'off';
  return (
    <section class="card" aria-labelledby="totp-title">
      <h2 id="totp-title">{t('totp.title')}</h2>
      <p>{t('totp.about')}</p>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {isOn && state.since && <p class="quiet">{t('totp.since', { time: shortTime(Date.parse(state.since)) })}</p>}
      {state?.state === 'held-off' && <Alert>{t('problem.code-held-off')}</Alert>}
      {isOn && codesLeft === 0 && <Note>{t('totp.noCodes')}</Note>}
      {state !== null && (
        <div>
          {isOn
            ? <button type="button" class="button" onClick={() => setIsRemoving(true)}><Icon name="trash" /> {t('totp.remove')}</button>
            : <button type="button" class="button" aria-disabled={isBusy} onClick={begin}><Icon name="phone" /> {t('totp.setUp')}</button>}
        </div>
      )}
      {told && <SetUpSheet told={told} onClose={close} onDone={done(t('totp.done'))} />}
      {isRemoving && <RemoveSheet onClose={close} onDone={done(t('totp.removed'))} />}
    </section>
  );
}
