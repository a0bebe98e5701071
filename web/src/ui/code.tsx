/* The field for a second factor: six digits of the authenticator app, or a recovery code instead. */

import { useState } from 'preact/hooks';
import { t } from '../i18n';
import { Field } from './form';

export function CodeField({ value, onInput, isFocused = false }: { value: string; onInput(value: string): void; isFocused?: boolean }) {
  const [isRecovery, setIsRecovery] = useState(false);
  const change = () => {
    onInput('');
    setIsRecovery(!isRecovery);
  };
  return (
    <>
      {isRecovery
        ? <Field key="recovery" label={t('recover.code')} value={value} onInput={onInput} isAddress placeholder="ABCD-EFGH-JKMN-PQRS" isFocused />
        : <Field key="code" label={t('code.label')} hint={t('code.hint')} value={value} onInput={onInput} isCode isFocused={isFocused} />}
      <button type="button" class="button is-plain is-wide" onClick={change}>{t(isRecovery ? 'code.app' : 'code.recovery')}</button>
    </>
  );
}
