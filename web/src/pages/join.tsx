/* Whoever opened the link of an invitation: what it leads to, and joining as whom one is signed in, or
 * with an account that is made on the way. */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import type { Session, Welcome } from '../api/types';
import { t } from '../i18n';
import { go } from '../state/route';
import { signedIn } from '../state/session';
import { Alert, Field, MIN_PASSWORD, Note, sentenceFor, useSubmit } from '../ui/form';
import { Door } from './enter';

function sentenceOf(error: unknown): string {
  const { name_ } = asProblem(error);
  if (name_ === 'no-such-invitation') return t('join.gone');
  if (name_ === 'name-taken') return t('people.nameTaken');
  if (name_ === 'already-member') return t('join.member');
  return sentenceFor(error);
}

export function Join({ token, session, onSignIn }: { token: string; session: Session | null; onSignIn(): void }) {
  const [about, setAbout] = useState<Welcome | null>(null);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [hasTried, setHasTried] = useState(false);
  const { isBusy, error, setError, run } = useSubmit();
  useEffect(() => void api.lookAtInvitation(token).then(setAbout, setError), [token]);
  const submit = (event: Event) => {
    event.preventDefault();
    setHasTried(true);
    if (!session && (name.trim() === '' || password.length < MIN_PASSWORD)) return;
    void run(async () => {
      const joined = await api.acceptInvitation(token, session ? null : { name: name.trim(), password });
      signedIn(joined);
      if (about) go({ page: 'wall', home: about.home.id }, 'replace');
    });
  };
  const start = <a class="button is-wide" href="#/">{t('join.leave')}</a>;
  return (
    <Door title={about ? t('join.title', { home: about.home.name }) : t('invite.title')}
      {...(about ? { about: [about.made_by, t(`role.${about.role}`)].filter(Boolean).join(' · ') } : {})}>
      <form class="form" onSubmit={submit} noValidate>
        {error !== null && <Alert>{sentenceOf(error)}</Alert>}
        {about?.is_member && <Note>{t('join.member')}</Note>}
        {about && !about.is_member && session && <button class="button is-primary is-wide" aria-disabled={isBusy}>{t('join.as', { name: session.account.name })}</button>}
        {about && !session && (
          <>
            <Field label={t('setup.you')} hint={t('people.nameHint')} value={name} onInput={setName} autocomplete="username"
              error={hasTried && name.trim() === '' ? t('field.required') : ''} isFocused />
            <Field label={t('setup.secret')} hint={t('setup.secretHint')} value={password} onInput={setPassword} type="password"
              autocomplete="new-password" error={hasTried && password.length < MIN_PASSWORD ? t('field.short') : ''} />
            <button class="button is-primary is-wide" aria-disabled={isBusy}>{t('join.do')}</button>
            <button type="button" class="button is-wide" onClick={onSignIn}>{t('join.have')}</button>
          </>
        )}
        {(session || !about) && start}
      </form>
    </Door>
  );
}
