/*
 * "Is it still you?": what a request opens when the server wants to know again who asks. The request
 * goes on when that is shown, and fails when the sheet is closed.
 */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem, Problem, whenAgainIsWanted } from '../api/client';
import { t } from '../i18n';
import { arePasskeysHere, showPasskeyAgain } from '../state/passkeys';
import { server, session } from '../state/session';
import { createStore, useStore } from '../state/store';
import { CodeField } from './code';
import { Alert, Field, sentenceFor, useSubmit } from './form';
import { Icon } from './icons';
import { Sheet } from './sheet';

interface Question {
  answer: Promise<void>;
  resolve(): void;
  reject(why: Problem): void;
}

const question = createStore<Question | null>(null);

/* Requests that come meanwhile wait for the same answer. */
whenAgainIsWanted(() => {
  const open = question.get();
  if (open) return open.answer;
  let resolve = () => undefined as void;
  let reject: Question['reject'] = () => undefined;
  const answer = new Promise<void>((done, fail) => { resolve = done; reject = fail; });
  question.set({ answer, resolve, reject });
  return answer;
});

/* Is there a passkey of this account for the name that the page was opened under? */
function useOwnPasskey(): boolean {
  const [hasOne, setHasOne] = useState(false);
  useEffect(() => {
    if (!arePasskeysHere(server.get())) return;
    void api.passkeys().then(({ passkeys }) => setHasOne(passkeys.some((one) => one.site === location.hostname)), () => undefined);
  }, []);
  return hasOne;
}

function AgainSheet({ asked }: { asked: Question }) {
  const state = session.get();
  const hasPasskey = useOwnPasskey();
  const [wantsCode, setWantsCode] = useState(state.kind === 'signed-in' && state.session.account.has_totp === true);
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  const show = (how: () => Promise<unknown>) => void run(async () => {
    try {
      await how();
    } catch (problem) {
      setCode('');
      setWantsCode(wantsCode || asProblem(problem).name_ === 'code-wanted');
      throw problem;
    }
    question.set(null);
    asked.resolve();
  });
  const submit = (event: Event) => {
    event.preventDefault();
    setFault(password === '' ? t('field.required') : '');
    if (password !== '') show(() => api.signInAgain(password, wantsCode ? code.trim() : null));
  };
  const close = () => {
    question.set(null);
    asked.reject(new Problem('sign-in-again', 403, ''));
  };
  const isWrong = error !== null && asProblem(error).name_ === 'wrong-name-or-password';
  return (
    <Sheet title={t('again.title')} onClose={close}>
      <form class="form" onSubmit={submit} noValidate>
        <p>{t(hasPasskey ? 'again.whyPasskey' : 'again.why')}</p>
        {error !== null && <Alert>{isWrong ? t('settings.passwordWrong') : sentenceFor(error)}</Alert>}
        {hasPasskey && (
          <>
            <button type="button" class="button is-primary is-wide" aria-disabled={isBusy} onClick={() => show(showPasskeyAgain)}>
              <Icon name="key" /> {t('again.passkey')}
            </button>
            <p class="or quiet"><span>{t('signin.or')}</span></p>
          </>
        )}
        <Field label={t('field.password')} value={password} onInput={setPassword} type="password" error={fault}
          autocomplete="current-password" isFocused={!hasPasskey} />
        {wantsCode && <CodeField value={code} onInput={setCode} />}
        <button class={`button is-wide${hasPasskey ? '' : ' is-primary'}`} aria-disabled={isBusy}>{t('again.do')}</button>
      </form>
    </Sheet>
  );
}

export function Again() {
  const asked = useStore(question);
  return asked && <AgainSheet asked={asked} />;
}
