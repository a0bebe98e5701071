/* The operator's list of homes: names and counts, never pictures. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Home } from '../api/types';
import { t } from '../i18n';
import { Alert, Field, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';

export function Homes() {
  const [homes, setHomes] = useState<Home[] | null>(null);
  const [name, setName] = useState('');
  const [fault, setFault] = useState('');
  const { isBusy, error, setError, run } = useSubmit();
  useEffect(() => {
    api.homes().then(setHomes, setError);
  }, []);
  const submit = (event: Event) => {
    event.preventDefault();
    setFault(name.trim() === '' ? t('field.required') : '');
    if (name.trim() === '') return;
    void run(async () => {
      await api.addHome(name.trim());
      setName('');
      setHomes(await api.homes());
    });
  };
  return (
    <Page title={t('homes.title')} about={t('homes.intro')}>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {homes?.length === 0 && <p class="quiet">{t('homes.none')}</p>}
      {homes && homes.length > 0 && (
        <ul class="rows card">
          {homes.map((home) => (
            <li key={home.id} class="row">
              <span class="row-icon"><Icon name="home" /></span>
              <span class="row-text"><strong>{home.name}</strong> <span class="quiet" dir="ltr">{home.id}</span></span>
              {typeof home.cameras === 'number' && <span class="quiet">{t('wall.cameras', { count: home.cameras })}</span>}
            </li>
          ))}
        </ul>
      )}
      <form class="card form" onSubmit={submit} noValidate>
        <h2>{t('homes.add')}</h2>
        <Field label={t('homes.name')} value={name} onInput={setName} error={fault} placeholder={t('setup.homeExample')} />
        <button class="button is-primary" aria-disabled={isBusy}>{t('homes.addDo')}</button>
        <p class="hint">{t('wall.emptyOperator')}</p>
      </form>
    </Page>
  );
}
