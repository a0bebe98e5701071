/* One home: its name and clock, handing it over, and moving out of it. */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import type { Home, Person, Receipt, Session } from '../api/types';
import { dayAndTime, t, type Key } from '../i18n';
import { go } from '../state/route';
import { signedIn } from '../state/session';
import { notify } from '../ui/announce';
import { Alert, Choices, Field, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { HoldButton, Sheet } from '../ui/sheet';

const THEN = ['adult', 'guest', 'leave'] as const;
type Then = (typeof THEN)[number];

function sentenceOf(error: unknown): string {
  const { name_ } = asProblem(error);
  if (name_ === 'last-owner') return t('house.lastOwner');
  return name_ === 'bad-time-zone' ? t('house.badZone') : sentenceFor(error);
}

/* Rights and homes are others now: everything is asked for again. */
async function refresh(): Promise<void> {
  signedIn(await api.session());
}

/* ---- name and clock ---- */

/* Places that some browsers still know by a former name. */
const TODAY: Record<string, string> = {
  'Asia/Calcutta': 'Asia/Kolkata', 'Asia/Katmandu': 'Asia/Kathmandu', 'Asia/Rangoon': 'Asia/Yangon', 'Asia/Saigon': 'Asia/Ho_Chi_Minh',
  'Europe/Kiev': 'Europe/Kyiv', 'America/Godthab': 'America/Nuuk', 'Atlantic/Faeroe': 'Atlantic/Faroe', 'Pacific/Enderbury': 'Pacific/Kanton',
};

const zonesWith = (zone: string): string[] =>
  [...new Set([...Intl.supportedValuesOf('timeZone').map((one) => TODAY[one] ?? one), 'UTC', zone])].filter(Boolean).sort();

function Clock({ home }: { home: Home }) {
  const [name, setName] = useState(home.name);
  const [zone, setZone] = useState(home.time_zone ?? '');
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  const save = (event: Event) => {
    event.preventDefault();
    setFault(name.trim() === '' ? t('field.required') : '');
    if (name.trim() === '') return;
    const changed = {
      ...(name.trim() !== home.name ? { name: name.trim() } : {}), ...(zone !== home.time_zone ? { time_zone: zone } : {}),
    };
    void run(async () => {
      if (Object.keys(changed).length > 0) await api.changeHome(home.id, changed);
      await refresh();
      notify(t('house.saved'));
    });
  };
  return (
    <form class="card form" onSubmit={save} noValidate>
      <h2><Icon name="clock" /> {t('house.clock')}</h2>
      {error !== null && <Alert>{sentenceOf(error)}</Alert>}
      <Field label={t('homes.name')} value={name} onInput={setName} error={fault} />
      <div class="field">
        <label for="house-zone">{t('house.zone')}</label>
        <div class="field-box">
          <select id="house-zone" value={zone} onChange={(event) => setZone(event.currentTarget.value)} aria-describedby="house-zone-hint" dir="ltr">
            {zonesWith(zone).map((one) => <option key={one} value={one}>{one.replace(/_/g, ' ')}</option>)}
          </select>
        </div>
        <p class="hint" id="house-zone-hint">{t('house.zoneHint')}</p>
      </div>
      <button class="button is-primary" aria-disabled={isBusy}>{t('do.save')}</button>
    </form>
  );
}

/* ---- handing it over ---- */

function HandOverSheet({ home, people, onClose }: { home: Home; people: Person[]; onClose(): void }) {
  const [to, setTo] = useState(people[0]?.account ?? '');
  const [then, setThen] = useState<Then>('adult');
  const { isBusy, error, run } = useSubmit();
  const name = people.find((one) => one.account === to)?.name ?? '';
  return (
    <Sheet title={t('house.handTitle', { home: home.name })} onClose={onClose}>
      <Choices legend={t('house.to')} value={to} onChange={setTo} choices={people.map((one) => ({ value: one.account, label: one.name, what: t(`role.${one.role}`) }))} />
      <Choices legend={t('house.then')} value={then} onChange={(value) => setThen(value)}
        choices={THEN.map((value) => ({ value, label: value === 'leave' ? t('house.leave') : t(`role.${value}`), what: t(`house.then.${value}`) }))} />
      <ul class="consequences">
        <li>{t('house.handNow', { name })}</li>
        <li>{t('house.handYou')}</li>
        <li>{t('house.handBack', { name })}</li>
      </ul>
      {error !== null && <Alert>{sentenceOf(error)}</Alert>}
      <HoldButton label={t('house.hand')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.handOver(home.id, to, then);
        await refresh();
        notify(t('house.handed', { name }));
        onClose();
        go({ page: 'start' });
      })} />
    </Sheet>
  );
}

/* ---- moving out ---- */

function linesOf(receipt: Receipt): string[] {
  return receipt.homes.flatMap((one) => {
    const { grants, tokens, invitations } = one;
    const left = t(one.destroyed ? 'house.destroyed' : 'house.left', { home: one.name });
    const isNothing = one.cameras.length + grants + tokens + invitations === 0;
    return isNothing ? [left] : [left, t('house.ended', { cameras: one.cameras.length, grants, tokens, invitations })];
  });
}

function save(receipt: Receipt, lines: string[]): void {
  const text = [t('house.receipt'), `${receipt.account.name} · ${receipt.at}`, ...lines, '', JSON.stringify(receipt, null, 2), ''].join('\n');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain;charset=utf-8' }));
  link.download = `casement-${receipt.at.slice(0, 10)}.txt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function ReceiptSheet({ receipt, zone, onClose }: { receipt: Receipt; zone: string | undefined; onClose(): void }) {
  const lines = linesOf(receipt);
  return (
    <Sheet title={t('house.receipt')} onClose={onClose}>
      <p>{t('house.movedOut', { name: receipt.account.name, time: dayAndTime(Date.parse(receipt.at), zone) })}</p>
      <ul class="consequences is-done">{lines.map((line) => <li key={line}>{line}</li>)}</ul>
      <p class="quiet">{t('house.account')}</p>
      <button type="button" class="button" onClick={() => save(receipt, lines)}><Icon name="save" /> {t('house.keep')}</button>
      <button type="button" class="button is-primary" onClick={onClose}>{t('do.done')}</button>
    </Sheet>
  );
}

function MoveSheet({ home, isAlone, onClose, onDone }: { home: Home; isAlone: boolean; onClose(): void; onDone(receipt: Receipt): void }) {
  const { isBusy, error, run } = useSubmit();
  const lines: Key[] = isAlone ? ['house.moveNow', 'house.moveDestroys', 'house.movePrograms', 'house.moveForever']
    : ['house.moveNow', 'house.movePrograms', 'house.moveOthers', 'house.moveBack'];
  return (
    <Sheet title={t('house.moveTitle', { home: home.name })} onClose={onClose}>
      <ul class="consequences">{lines.map((line) => <li key={line}>{t(line, { home: home.name })}</li>)}</ul>
      {error !== null && <Alert>{sentenceOf(error)}</Alert>}
      <HoldButton label={t('house.move')} isBusy={isBusy} onHeld={() => void run(async () => onDone(await api.moveOut([home.id])))} />
    </Sheet>
  );
}

/* ---- the page ---- */

export function House({ home, session }: { home: Home; session: Session }) {
  const [people, setPeople] = useState<Person[] | null>(null);
  const [open, setOpen] = useState<'hand' | 'move' | { receipt: Receipt } | null>(null);
  const { error, setError } = useSubmit();
  const isOwner = home.role === 'owner';
  useEffect(() => { if (isOwner) void api.people(home.id).then(setPeople, setError); }, [home.id, isOwner]);
  const others = (people ?? []).filter((one) => one.account !== session.account.id);
  const isLast = isOwner && others.length > 0 && !others.some((one) => one.role === 'owner');
  const close = () => setOpen(null);
  const leave = () => {
    close();
    void refresh().catch(() => undefined);
    go({ page: 'start' });
  };
  const isKnown = !isOwner || people !== null;
  return (
    <Page title={home.name} about={t('house.about')} back="#/settings">
      {error !== null && <Alert>{sentenceOf(error)}</Alert>}
      {isOwner && <Clock home={home} />}
      {isOwner && people !== null && (
        <section class="card" aria-labelledby="house-hand">
          <h2 id="house-hand"><Icon name="key" /> {t('house.hand')}</h2>
          <p>{t('house.handWhy')}</p>
          {others.length === 0 ? <p class="quiet">{t('house.handNobody')}</p>
            : <button type="button" class="button" onClick={() => setOpen('hand')}>{t('house.hand')}</button>}
        </section>
      )}
      <section class="card" aria-labelledby="house-move">
        <h2 id="house-move"><Icon name="out" /> {t('house.move')}</h2>
        <p>{t(isLast ? 'house.lastOwner' : 'house.moveWhy')}</p>
        {isKnown && !isLast && <button type="button" class="button is-danger-quiet" onClick={() => setOpen('move')}>{t('house.move')}</button>}
      </section>
      {open === 'hand' && <HandOverSheet home={home} people={others} onClose={close} />}
      {open === 'move' && (
        <MoveSheet home={home} isAlone={isOwner && others.length === 0} onClose={close} onDone={(receipt) => setOpen({ receipt })} />
      )}
      {open !== null && typeof open === 'object' && <ReceiptSheet receipt={open.receipt} zone={home.time_zone} onClose={leave} />}
    </Page>
  );
}
