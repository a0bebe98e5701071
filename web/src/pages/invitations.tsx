/* Invitations to this home: making one, its link and QR code (told once), the list, taking one back. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import { ROLES, type Home, type Invitation, type Role } from '../api/types';
import { shortTime, t } from '../i18n';
import type { HomeData } from '../state/home';
import { useStore } from '../state/store';
import { Alert, Choices, Field, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { LinkSheet } from '../ui/link-sheet';
import { Page } from '../ui/page';
import { Sheet } from '../ui/sheet';
import { Ticks } from '../ui/ticks';

const DAYS = ['1', '7', '30'] as const;

function InviteSheet({ data, home, onClose, onMade }: {
  data: HomeData;
  home: Home;
  onClose(): void;
  onMade(link: string, expires: string): void;
}) {
  const cameras = useStore(data.cameras) ?? [];
  const [label, setLabel] = useState('');
  const [role, setRole] = useState<Role>('guest');
  const [days, setDays] = useState<(typeof DAYS)[number]>('7');
  const [seen, setSeen] = useState<string[]>([]);
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    void run(async () => {
      const rights = role === 'owner' ? [] : seen.map((camera) => ({ camera, rights: ['view' as const] }));
      const made = await api.invite(home.id, { role, label: label.trim(), days: Number(days), cameras: rights });
      onMade(`${location.origin}/#join=${made.token}`, made.expires);
    });
  };
  return (
    <Sheet title={t('invite.new')} onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        {error !== null && <Alert>{sentenceFor(error)}</Alert>}
        <Field label={t('invite.label')} hint={t('invite.labelHint')} value={label} onInput={setLabel} isOptional isFocused />
        <Choices legend={t('people.role')} value={role} onChange={(value) => setRole(value)}
          choices={ROLES.map((value) => ({ value, label: t(`role.${value}`), what: t(`role.${value}.what`) }))} />
        {role !== 'owner' && cameras.length > 0 && (
          <Ticks legend={t('invite.cameras')} ticked={seen} onChange={setSeen}
            choices={cameras.map(({ id, name }) => ({ value: id, label: name }))} />
        )}
        <Choices legend={t('invite.until')} value={days} isRow onChange={(value) => setDays(value)}
          choices={DAYS.map((value) => ({ value, label: t('invite.day', { count: Number(value) }) }))} />
        <button class="button is-primary" aria-disabled={isBusy}>{t('invite.do')}</button>
      </form>
    </Sheet>
  );
}

function stateOf(one: Invitation): string {
  if (one.state === 'open') return t('invite.open', { time: shortTime(Date.parse(one.expires)) });
  return one.state === 'used' ? t('invite.used', { name: one.used_by?.name || t('invite.anyone') }) : t('invite.expired');
}

export function Invitations({ data, home }: { data: HomeData; home: Home }) {
  const [all, setAll] = useState<Invitation[] | null>(null);
  const [open, setOpen] = useState<'new' | { link: string; expires: string } | null>(null);
  const { error, setError, run } = useSubmit();
  const load = () => void api.invitations(home.id).then(setAll, setError);
  useEffect(load, [home.id]);
  const revoke = (one: Invitation) => void run(async () => {
    await api.revokeInvitation(home.id, one.id);
    load();
  });
  return (
    <Page title={t('invite.title')} about={t('invite.intro', { home: home.name })} back={`#/people/${encodeURIComponent(home.id)}`} tools={
      <button type="button" class="button is-primary" onClick={() => setOpen('new')}><Icon name="add" /> {t('invite.new')}</button>
    }>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {all?.length === 0 && <p class="quiet">{t('invite.none')}</p>}
      {all && all.length > 0 && (
        <ul class="rows card">
          {all.map((one) => (
            <li key={one.id} class="row">
              <span class="row-icon"><Icon name={one.state === 'used' ? 'check' : 'key'} /></span>
              <div class="row-text">
                <strong>{one.label || t('invite.anyone')}</strong>
                <span class="quiet">{t(`role.${one.role}`)} · {stateOf(one)}</span>
              </div>
              {one.state === 'open' && (
                <button type="button" class="button" onClick={() => revoke(one)}>
                  {t('invite.revoke')}<span class="unseen"> {one.label}</span>
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {open === 'new' && (
        <InviteSheet data={data} home={home} onClose={() => setOpen(null)}
          onMade={(link, expires) => { setOpen({ link, expires }); load(); }} />
      )}
      {open !== null && open !== 'new' && <LinkSheet {...open} onClose={() => setOpen(null)} />}
    </Page>
  );
}
