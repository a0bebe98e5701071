/* The pages before anyone is signed in: the first run, and signing in. */

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import { t } from '../i18n';
import { go, hrefOf } from '../state/route';
import { server, signedIn } from '../state/session';
import { Alert, Field, MIN_PASSWORD, Note, sentenceFor, useSubmit } from '../ui/form';
import { Mark } from '../ui/icons';
import { LanguagePicker } from './settings';

function Door({ title, about, children }: { title: string; about?: string; children: ComponentChildren }) {
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
      go({ page: 'start' }, 'replace');
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

export function SignIn({ hasEnded }: { hasEnded: boolean }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    void run(async () => {
      const session = await api.signIn(name.trim(), password);
      signedIn(session);
    });
  };
  const isWrong = error !== null && asProblem(error).status === 401;
  return (
    <Door title={t('signin.title')}>
      <form class="form" onSubmit={submit} noValidate>
        {hasEnded && error === null && <Note>{t('signin.ended')}</Note>}
        {error !== null && <Alert>{isWrong ? t('signin.wrong') : sentenceFor(error)}</Alert>}
        <Field label={t('field.name')} value={name} onInput={setName} autocomplete="username" isFocused />
        <Field label={t('field.password')} value={password} onInput={setPassword} type="password"
          autocomplete="current-password" />
        <button class="button is-primary is-wide" aria-disabled={isBusy}>{t('signin.do')}</button>
        <p class="hint is-centred">{t('signin.forgot')}</p>
      </form>
    </Door>
  );
}
