/* Logging everyone out: a sheet that says before whom it meets, and after what it ended. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Everyone, EveryoneReceipt, Home } from '../api/types';
import { shortTime, t } from '../i18n';
import { Alert, sentenceFor, Tick, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { HoldButton, Sheet } from '../ui/sheet';

function whom(count: Everyone): string {
  return t('everyone.whom', {
    people: t('everyone.people', { count: count.people }), devices: t('everyone.devices', { count: count.sessions }),
  });
}

/* What there is none of is not mentioned. */
function Parts({ count, isDone, withPrograms }: { count: Everyone; isDone: boolean; withPrograms: boolean }) {
  const watching = count.watching + (withPrograms ? count.programs_watching : 0);
  return (
    <>
      <li>{count.sessions > 0 ? whom(count) : t('everyone.nobody')}</li>
      {count.elsewhere > 0 && <li>{t('everyone.elsewhere', { count: count.elsewhere })}</li>}
      {watching > 0 && <li>{t('everyone.watching', { count: watching })}</li>}
      {count.invitations > 0 && <li>{t('everyone.invitations', { count: count.invitations })}</li>}
      {count.links > 0 && <li>{t('everyone.links', { count: count.links })}</li>}
      {isDone && count.programs > 0 && <li>{t('everyone.programsEnded', { count: count.programs })}</li>}
    </>
  );
}

function Receipt({ receipt, onClose }: { receipt: EveryoneReceipt; onClose(): void }) {
  return (
    <div class="stack" role="status">
      <p><Icon name="check" /> {t('everyone.done', { time: shortTime(Date.parse(receipt.at)) })}</p>
      <ul class="consequences is-done">
        <Parts count={receipt} isDone withPrograms />
        <li>{t('everyone.keys', { count: receipt.cameras })}</li>
      </ul>
      <p class="quiet">{t('everyone.stays')}</p>
      <button type="button" class="button is-primary" onClick={onClose}>{t('do.close')}</button>
    </div>
  );
}

function EveryoneSheet({ home, onClose, onDone }: { home: Home; onClose(): void; onDone(): void }) {
  const [count, setCount] = useState<Everyone | null>(null);
  const [withPrograms, setWithPrograms] = useState(false);
  const [receipt, setReceipt] = useState<EveryoneReceipt | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const { isBusy, error, run } = useSubmit();
  useEffect(() => void api.everyone(home.id).then(setCount, setFailure), [home.id]);
  const problem = failure ?? error;
  const logOut = () => void run(async () => {
    setReceipt(await api.logEveryoneOut(home.id, withPrograms));
    onDone();
  });
  return (
    <Sheet title={t('everyone.title', { home: home.name })} onClose={onClose}>
      {receipt && <Receipt receipt={receipt} onClose={onClose} />}
      {!receipt && count && (
        <>
          <ul class="consequences">
            <Parts count={count} isDone={false} withPrograms={withPrograms} />
            <li>{t('everyone.this')}</li>
          </ul>
          <p class="quiet">{t('everyone.stays')}</p>
          {count.programs > 0 && (
            <Tick label={t('everyone.programs', { count: count.programs })} hint={t('everyone.programsHint')}
              isTicked={withPrograms} onChange={setWithPrograms} />
          )}
          <HoldButton label={t('everyone.do')} isBusy={isBusy} onHeld={logOut} />
        </>
      )}
      {problem !== null && <Alert>{sentenceFor(problem)}</Alert>}
    </Sheet>
  );
}

export function LogEveryoneOut({ home, onDone }: { home: Home; onDone(): void }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <section class="card" aria-labelledby="safety-everyone">
      <h2 id="safety-everyone"><Icon name="out" /> {t('everyone.do')}</h2>
      <p class="quiet">{t('everyone.about')}</p>
      <button type="button" class="button" onClick={() => setIsOpen(true)}>{t('everyone.open')}</button>
      {isOpen && <EveryoneSheet home={home} onClose={() => setIsOpen(false)} onDone={onDone} />}
    </section>
  );
}
