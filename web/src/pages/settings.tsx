/* Language, look, account, the server's certificate, and what this is. */

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import type { Session } from '../api/types';
import { t } from '../i18n';
import { protocolName } from '../player/slots';
import { setTheme, theme, type Theme } from '../state/prefs';
import { hrefOf } from '../state/route';
import { server, signedOut } from '../state/session';
import { useStore } from '../state/store';
import { notify } from '../ui/announce';
import { Alert, Choices, Field, MIN_PASSWORD, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { LanguagePicker } from '../ui/language';
import { Page } from '../ui/page';

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="card">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function PasswordForm() {
  const [isOpen, setIsOpen] = useState(false);
  const [oldPassword, setOld] = useState('');
  const [newPassword, setNew] = useState('');
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  if (!isOpen)
    return <button type="button" class="button" onClick={() => setIsOpen(true)}><Icon name="lock" /> {t('settings.password')}</button>;
  const submit = (event: Event) => {
    event.preventDefault();
    const found = newPassword.length < MIN_PASSWORD ? t('field.short') : '';
    setFault(found);
    if (found) return;
    void run(async () => {
      await api.changePassword(oldPassword, newPassword);
      notify(t('settings.passwordDone'));
      setOld('');
      setNew('');
      setIsOpen(false);
    });
  };
  const isWrong = error !== null && [401, 403].includes(asProblem(error).status);
  return (
    <form class="form" onSubmit={submit} noValidate>
      {error !== null && <Alert>{isWrong ? t('settings.passwordWrong') : sentenceFor(error)}</Alert>}
      <Field label={t('settings.oldPassword')} value={oldPassword} onInput={setOld} type="password"
        autocomplete="current-password" isFocused />
      <Field label={t('settings.newPassword')} value={newPassword} onInput={setNew} type="password"
        autocomplete="new-password" error={fault} hint={t('setup.secretHint')} />
      <div class="form-row">
        <button type="button" class="button" onClick={() => setIsOpen(false)}>{t('do.cancel')}</button>
        <button class="button is-primary" aria-disabled={isBusy}>{t('settings.passwordDo')}</button>
      </div>
    </form>
  );
}

const SYSTEMS = ['android', 'ios', 'windows', 'macos', 'linux'] as const;
const SYSTEM_NAMES: Record<(typeof SYSTEMS)[number], string> = {
  android: 'Android', ios: 'iPhone, iPad', windows: 'Windows', macos: 'macOS', linux: 'Linux, Firefox',
};

function thisSystem(): (typeof SYSTEMS)[number] {
  const agent = navigator.userAgent;
  if (/Android/.test(agent)) return 'android';
  if (/iPhone|iPad/.test(agent)) return 'ios';
  if (/Windows/.test(agent)) return 'windows';
  return /Mac/.test(agent) ? 'macos' : 'linux';
}

function Certificate() {
  const info = useStore(server);
  const here = thisSystem();
  if (!info) return null;
  if (!info.ca) return <Section title={t('settings.ca')}><p>{t('settings.caOwn')}</p></Section>;
  return (
    <Section title={t('settings.ca')}>
      <p>{t('settings.caWhy')}</p>
      <h3>{t('settings.caFingerprint')}</h3>
      <p class="fingerprint" dir="ltr">
        {info.ca.fingerprint_sha256.split(':').map((byte, n) => <span key={n}>{byte}</span>)}
      </p>
      <p class="hint">{t('settings.caCompare')}</p>
      <a class="button is-primary" href="/ca.crt" download="casement-ca.crt"><Icon name="save" /> {t('settings.caGet')}</a>
      <div class="systems">
        {SYSTEMS.map((system) => (
          <details key={system} open={system === here}>
            <summary>{SYSTEM_NAMES[system]}</summary>
            <p>{t(`settings.ca.${system}`)}</p>
          </details>
        ))}
      </div>
    </Section>
  );
}

export function Settings({ session }: { session: Session }) {
  const info = useStore(server);
  const currentTheme = useStore(theme);
  const { isBusy, run } = useSubmit();
  const themes: Theme[] = ['auto', 'light', 'dark'];
  return (
    <Page title={t('settings.title')}>
      <Section title={t('settings.look')}>
        <LanguagePicker />
        <Choices legend={t('settings.theme')} value={currentTheme} isRow onChange={setTheme}
          choices={themes.map((value) => ({ value, label: t(`settings.theme.${value}`) }))} />
      </Section>
      <Section title={t('settings.account')}>
        <p>{t('settings.signedInAs', { name: session.account.name })}</p>
        <div class="stack">
          <PasswordForm />
          <a class="button" href="#/passkeys"><Icon name="key" /> {t('passkeys.link')}</a>
          <a class="button" href="#/sessions"><Icon name="phone" /> {t('sessions.title')}</a>
          <button type="button" class="button" aria-disabled={isBusy}
            onClick={() => void run(async () => { await api.signOut(); signedOut(); location.hash = '#/'; })}>
            <Icon name="out" /> {t('settings.signOut')}
          </button>
        </div>
      </Section>
      {session.homes.some((home) => home.role !== null) && (
        <Section title={t('house.homes')}>
          <div class="stack">
            {session.homes.filter((home) => home.role !== null).map((home) => (
              <a key={home.id} class="button" href={hrefOf({ page: 'house', home: home.id })}><Icon name="home" /> {home.name}</a>
            ))}
          </div>
        </Section>
      )}
      <Certificate />
      <Section title={t('settings.about')}>
        <p>{t('settings.version', { version: info?.version ?? '' })} · {t('settings.protocol', { protocol: protocolName() })}</p>
        <p class="quiet">{t('settings.licence')}</p>
      </Section>
    </Page>
  );
}
