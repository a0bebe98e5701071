/* Fields with a label, a hint and an error that a screen reader hears together. */

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { asProblem } from '../api/client';
import { language, t } from '../i18n';

interface FieldProps {
  label: string;
  value: string;
  onInput(value: string): void;
  type?: 'text' | 'password';
  hint?: string | undefined;
  error?: string | undefined;
  isOptional?: boolean;
  autocomplete?: string;
  placeholder?: string;
  isFocused?: boolean;
  isAddress?: boolean;
  isCode?: boolean; // digits that an app shows for a moment
  isMadeUp?: boolean; // a password to be read and told to somebody
}

export function Field(props: FieldProps) {
  const id = useId();
  const [isShown, setIsShown] = useState(false);
  const isSecret = props.type === 'password';
  useEffect(() => { if (props.isMadeUp) setIsShown(true); }, [props.isMadeUp]);
  const hint = isSecret && props.error ? undefined : props.hint; // the error says it again
  const about = [hint && `${id}-hint`, props.error && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div class={`field${props.error ? ' is-wrong' : ''}`}>
      <label for={id}>
        {props.label}
        {props.isOptional && <> <span class="quiet">{t('field.optional')}</span></>}
      </label>
      <div class="field-box">
        <input
          id={id}
          type={isSecret && !isShown ? 'password' : 'text'}
          value={props.value}
          onInput={(event) => props.onInput(event.currentTarget.value)}
          autocomplete={(props.autocomplete ?? (props.isCode ? 'one-time-code' : 'off')) as 'off'}
          placeholder={props.placeholder ?? ''}
          aria-describedby={about || undefined}
          aria-invalid={props.error ? true : undefined}
          aria-required={props.isOptional ? undefined : true}
          autoFocus={props.isFocused ?? false}
          {...(isSecret || props.isAddress
            ? { autocapitalize: 'none', autocorrect: 'off', spellcheck: false } : {})}
          {...(props.isAddress ? { inputMode: 'url' as const, dir: 'ltr' as const } : {})}
          {...(props.isCode ? { inputMode: 'numeric' as const, dir: 'ltr' as const } : {})}
        />
        {isSecret && (
          <button type="button" class="field-show" aria-pressed={isShown} onClick={() => setIsShown(!isShown)}>
            {isShown ? t('field.hide') : t('field.show')}
            <span class="unseen"> {props.label}</span>
          </button>
        )}
      </div>
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
      {props.error && <p class="error" id={`${id}-error`}>{props.error}</p>}
    </div>
  );
}

export interface Choice<T extends string> {
  value: T;
  label: string;
  what?: string;
  lang?: string;
}

/* A few choices, all in view: real radio buttons under their looks. */
export function Choices<T extends string>(props: {
  legend: string;
  value: T;
  choices: Choice<T>[];
  onChange(value: T): void;
  isRow?: boolean;
  isQuiet?: boolean;
}) {
  const name = useId();
  return (
    <fieldset class={`choices${props.isRow ? ' is-row' : ''}`}>
      <legend class={props.isQuiet ? 'unseen' : ''}>{props.legend}</legend>
      <div class="choices-list">
        {props.choices.map((choice) => (
          <label key={choice.value} class={choice.value === props.value ? 'is-chosen' : ''} lang={choice.lang}>
            <input
              type="radio" name={name} value={choice.value} checked={choice.value === props.value}
              onChange={() => props.onChange(choice.value)}
            />
            <span class="choice-label">{choice.label}</span>
            {choice.what && <span class="choice-what">{choice.what}</span>}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/* Yes or no, with a word on what it means. */
export function Tick(props: { label: string; hint: string; isTicked: boolean; onChange(isTicked: boolean): void }) {
  const id = useId();
  return (
    <div class="tick">
      <input type="checkbox" id={id} checked={props.isTicked} aria-describedby={`${id}-hint`}
        onChange={(event) => props.onChange(event.currentTarget.checked)} />
      <label for={id}>{props.label}</label>
      <p class="hint" id={`${id}-hint`}>{props.hint}</p>
    </div>
  );
}

export function Alert({ children }: { children: ComponentChildren }) {
  return <div class="alert" role="alert">{children}</div>;
}

/* Something to know, not something that went wrong. */
export function Note({ children }: { children: ComponentChildren }) {
  return <div class="alert is-plain" role="status">{children}</div>;
}

const SENTENCES = [
  'bad-address', 'bad-name', 'passkey-cancelled', 'passkey-refused', 'passkey-there', 'passkeys-need-a-name', 'too-many-passkeys',
  'wrong-name-or-code', 'wrong-code', 'wrong-password-or-code', 'code-held-off', 'code-wanted', 'sign-in-over', 'totp-there', 'totp-not-begun', 'bad-password', 'not-acceptable', 'not-allowed', 'probe-under-way', 'server-busy', 'server-fault', 'sign-in-again',
] as const;

/* The server speaks English, and may know more than the sentence that is translated here. */
export function sentenceFor(error: unknown): string {
  const problem = asProblem(error);
  if (problem.name_ === 'offline') return t('error.offline');
  if (problem.name_ === 'too-many-tries') return t('signin.wait', { count: problem.retryAfterS ?? 30 });
  const known = SENTENCES.find((name) => name === problem.name_);
  if (known && !(language.get() === 'en' && problem.detail)) return t(`problem.${known}`);
  return problem.detail || t('error.unknown');
}

/* Runs `work` once at a time, keeping what went wrong. */
export function useSubmit(): {
  isBusy: boolean;
  error: unknown;
  setError(error: unknown): void;
  run(work: () => Promise<void>): Promise<void>;
} {
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  return {
    isBusy, error, setError,
    async run(work) {
      if (isBusy) return;
      setIsBusy(true);
      setError(null);
      try {
        await work();
      } catch (problem) {
        setError(problem);
      } finally {
        setIsBusy(false);
      }
    },
  };
}

/* What the server says, once `load` has asked, and again after each change: of answers that overtake one another the one to the
 * last question stays. What a sheet has changed is shown before it closes, or the next one begins with what was. */
export function useAsked<T>(ask: () => Promise<T>, onError: (error: unknown) => void): [T | null, () => Promise<void>] {
  const [found, setFound] = useState<T | null>(null);
  const asked = useRef(0);
  const load = () => {
    const mine = ++asked.current;
    return ask().then((answer) => { if (mine === asked.current) setFound(answer); }, onError);
  };
  return [found, load];
}

export const MIN_PASSWORD = 10;
