/* After a way to sign in was added or taken away: the other sign-ins may be somebody else's. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import { t } from '../i18n';
import { notify } from './announce';
import { sentenceFor, useSubmit } from './form';

export function EndOthers() {
  const [count, setCount] = useState(0);
  const { isBusy, error, run } = useSubmit();
  useEffect(() => {
    void api.sessions().then((all) => setCount(all.filter((one) => !one.is_this).length), () => undefined);
  }, []);
  if (count === 0) return null;
  const end = () => void run(async () => {
    await api.endOtherSessions();
    notify(t('sessions.ended'));
    setCount(0);
  });
  return (
    <div class="alert is-plain stack" role="status">
      <p>{t('totp.others', { count })}</p>
      {error !== null && <p class="error">{sentenceFor(error)}</p>}
      <div class="form-row">
        <button type="button" class="button" aria-disabled={isBusy} onClick={end}>{t('sessions.endAll')}</button>
        <button type="button" class="button is-plain" onClick={() => setCount(0)}>{t('totp.keep')}</button>
      </div>
    </div>
  );
}
