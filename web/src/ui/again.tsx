/*
 * "Is it still you?": what a request opens when the server wants to know again who asks. The request
 * goes on when that is shown, and fails when the sheet is closed.
 */

import { useState } from 'preact/hooks';
import { api, asProblem, Problem, whenAgainIsWanted } from '../api/client';
import { t } from '../i18n';
import { createStore, useStore } from '../state/store';
import { Alert, Field, sentenceFor, useSubmit } from './form';
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

function AgainSheet({ asked }: { asked: Question }) {
  const [password, setPassword] = useState('');
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    setFault(password === '' ? t('field.required') : '');
    if (password === '') return;
    void run(async () => {
      await api.signInAgain(password);
      question.set(null);
      asked.resolve();
    });
  };
  const close = () => {
    question.set(null);
    asked.reject(new Problem('sign-in-again', 403, ''));
  };
  const isWrong = error !== null && asProblem(error).name_ === 'wrong-name-or-password';
  return (
    <Sheet title={t('again.title')} onClose={close}>
      <form class="form" onSubmit={submit} noValidate>
        <p>{t('again.why')}</p>
        {error !== null && <Alert>{isWrong ? t('settings.passwordWrong') : sentenceFor(error)}</Alert>}
        <Field label={t('field.password')} value={password} onInput={setPassword} type="password" error={fault}
          autocomplete="current-password" isFocused />
        <button class="button is-primary is-wide" aria-disabled={isBusy}>{t('again.do')}</button>
      </form>
    </Sheet>
  );
}

export function Again() {
  const asked = useStore(question);
  return asked && <AgainSheet asked={asked} />;
}
