/* The pages before anyone is signed in: the first run, and signing in. */

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import { t } from '../i18n';
import { arePasskeysHere, offerPasskeys, signInWithPasskey } from '../state/passkeys';
import { go, hrefOf } from '../state/route';
import { server, signedIn } from '../state/session';
import { useStore } from '../state/store';
import { Alert, Field, MIN_PASSWORD, Note, sentenceFor, Tick, useSubmit } from '../ui/form';
import { Icon, Mark } from '../ui/icons';
import { CodeField } from '../ui/code';
import { LanguagePicker } from '../ui/language';

export function Door({ title, about, children }: { title: string; about?: string; children: ComponentChildren }) {
  return (
    <main id="content" class="door">
      <div class="door-card">
        <div class="door-head">
          <Mark size={56} />
          <h1>{title}</h1>
          {about && <p class="quiet">{about}</p>}
        </div>
        {children}
      </div>
      <LanguagePicker isCompact />
    </main>
  );
}

const SETUP_STEPS = 3;

export function Setup({ token }: { token: string }) {
  const [step, setStep] = useState(1);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [home, setHome] = useState('');
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  const isUsed = error !== null && [401, 403, 404, 409, 410].includes(asProblem(error).status);

  const faultOfStep = (): string => {
    if (step === 2) return password.length < MIN_PASSWORD ? t('field.short') : '';
    return (step === 1 ? name : home).trim() === '' ? t('field.required') : '';
  };
  const submit = (event: Event) => {
    event.preventDefault();
    const found = faultOfStep();
    setFault(found);
    if (found) return;
    if (step < SETUP_STEPS) {
      setStep(step + 1);
      return;
    }
    void run(async () => {
      const session = await api.setup(token, name.trim(), password, home.trim());
      const info = server.get();
      if (info) server.set({ ...info, setup_needed: false });
      go({ page: arePasskeysHere(info) ? 'welcome' : 'start' }, 'replace');
      signedIn(session);
    });
  };
  return (
    <Door title={t('setup.title')} about={t('setup.step', { step, count: SETUP_STEPS })}>
      <form class="form" onSubmit={submit} noValidate>
        {error !== null && <Alert>{isUsed ? t('setup.used') : sentenceFor(error)}</Alert>}
        {isUsed && <a class="button is-wide" href={hrefOf({ page: 'start' })}>{t('signin.do')}</a>}
        {step === 1 && (
          <Field key="name" label={t('setup.you')} hint={t('setup.youHint')} value={name} onInput={setName}
            error={fault} autocomplete="username" isFocused />
        )}
        {step === 2 && (
          <Field key="password" label={t('setup.secret')} hint={t('setup.secretHint')} value={password}
            onInput={setPassword} type="password" error={fault} autocomplete="new-password" isFocused />
        )}
        {step === 3 && (
          <Field key="home" label={t('setup.home')} value={home} onInput={setHome} error={fault}
            placeholder={t('setup.homeExample')} isFocused />
        )}
        <div class="form-row">
          {step > 1 && (
            <button type="button" class="button" onClick={() => { setFault(''); setStep(step - 1); }}>{t('do.back')}</button>
          )}
          <button class="button is-primary is-wide" aria-disabled={isBusy}>
            {t(step < SETUP_STEPS ? 'do.next' : 'setup.finish')}
          </button>
        </div>
      </form>
    </Door>
  );
}

export function SetupNeeded() {
  return <Door title={t('setup.needed')} about={t('setup.neededHow')}>{null}</Door>;
}

/* The phone is gone: a code that was saved for this day, and what the phone held may end. */
function Recover({ onBack }: { onBack(): void }) {
  const [name, setName] = useState('');
  const [code, setCode] = useState('');
  const [endsSessions, setEndsSessions] = useState(true);
  const [removesPasskeys, setRemovesPasskeys] = useState(true);
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    void run(async () => {
      const session = await api.recover(name.trim(), code.trim(), endsSessions, removesPasskeys);
      go({ page: 'passkeys' }, 'replace');
      signedIn(session);
    });
  };
  return (
    <Door title={t('recover.title')} about={t('recover.about')}>
      <form class="form" onSubmit={submit} noValidate>
        {error !== null && <Alert>{sentenceFor(error)}</Alert>}
        <Field label={t('field.name')} value={name} onInput={setName} autocomplete="username" isFocused />
        <Field label={t('recover.code')} value={code} onInput={setCode} isAddress placeholder="ABCD-EFGH-JKMN-PQRS" />
        <Tick label={t('recover.endSessions')} hint={t('recover.endSessionsHint')} isTicked={endsSessions} onChange={setEndsSessions} />
        <Tick label={t('recover.removePasskeys')} hint={t('recover.removePasskeysHint')} isTicked={removesPasskeys} onChange={setRemovesPasskeys} />
        <button class="button is-primary is-wide" aria-disabled={isBusy}>{t('signin.do')}</button>
        <button type="button" class="button is-wide" onClick={onBack}>{t('do.back')}</button>
      </form>
    </Door>
  );
}

/* Once a passkey was used or refused; the password's own form follows. */
function PasskeyDoor({ onProblem }: { onProblem(error: unknown): void }) {
  const { isBusy, run } = useSubmit();
  const [tries, setTries] = useState(0);
  /* Only one request may be under way: the button's ends the one behind the field. */
  useEffect(() => (isBusy ? undefined : offerPasskeys(signedIn, onProblem)), [isBusy, tries]);
  const press = () => void run(async () => {
    onProblem(null);
    try {
      signedIn(await signInWithPasskey());
    } catch (error) {
      setTries(tries + 1);
      onProblem(error);
    }
  });
  return (
    <>
      <button type="button" class="button is-primary is-wide" aria-disabled={isBusy} onClick={press}>
        <Icon name="key" /> {t('signin.passkey')}
      </button>
      <p class="or quiet"><span>{t('signin.or')}</span></p>
    </>
  );
}

/* The second step: the code of the authenticator app. */
function CodeDoor({ pending, onOver }: { pending: string; onOver(error: unknown): void }) {
  const [code, setCode] = useState('');
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    if (code.trim() === '') return;
    void run(async () => {
      try {
        signedIn(await api.signInWithCode(pending, code.trim()));
      } catch (problem) {
        if (asProblem(problem).name_ === 'sign-in-over') onOver(problem);
        setCode('');
        throw problem;
      }
    });
  };
  return (
    <Door title={t('code.title')} about={t('code.about')}>
      <form class="form" onSubmit={submit} noValidate>
        {error !== null && <Alert>{sentenceFor(error)}</Alert>}
        <CodeField value={code} onInput={setCode} isFocused />
        <button class="button is-primary is-wide" aria-disabled={isBusy}>{t('signin.do')}</button>
        <button type="button" class="button is-wide" onClick={() => onOver(null)}>{t('do.back')}</button>
      </form>
    </Door>
  );
}

export function SignIn({ hasEnded }: { hasEnded: boolean }) {
  const info = useStore(server);
  const hasPasskeys = arePasskeysHere(info);
  const [isLost, setIsLost] = useState(false);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const { isBusy, error, setError, run } = useSubmit();
  const [pending, setPending] = useState<string | null>(null);
  if (isLost) return <Recover onBack={() => setIsLost(false)} />;
  if (pending !== null) return <CodeDoor pending={pending} onOver={(why) => { setPending(null); setPassword(''); setError(why); }} />;
  const submit = (event: Event) => {
    event.preventDefault();
    void run(async () => {
      const answer = await api.signIn(name.trim(), password);
      if ('factor' in answer) setPending(answer.pending);
      else signedIn(answer);
    });
  };
  const isWrong = error !== null && asProblem(error).name_ === 'wrong-name-or-password';
  return (
    <Door title={t('signin.title')}>
      <form class="form" onSubmit={submit} noValidate>
        {hasEnded && error === null && <Note>{t('signin.ended')}</Note>}
        {error !== null && <Alert>{isWrong ? t('signin.wrong') : sentenceFor(error)}</Alert>}
        {hasPasskeys && <PasskeyDoor onProblem={setError} />}
        <Field label={t('field.name')} value={name} onInput={setName} autocomplete={hasPasskeys ? 'username webauthn' : 'username'}
          isFocused={!hasPasskeys} />
        <Field label={t('field.password')} value={password} onInput={setPassword} type="password"
          autocomplete="current-password" />
        <button class={`button is-wide${hasPasskeys ? '' : ' is-primary'}`} aria-disabled={isBusy}>{t('signin.do')}</button>
        <p class="hint is-centred">{t('signin.forgot')}</p>
        <button type="button" class="button is-plain is-wide" onClick={() => setIsLost(true)}>{t('signin.lost')}</button>
      </form>
    </Door>
  );
}
